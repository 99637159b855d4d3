"""Estimated durations match the real ones, although short runs end first and old ends are dropped."""

import random
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.duration_survival import CLOCK_SLACK, WINDOW, ObservedDurations, RunSpan, Survival, run_duration

SPANS = st.lists(st.builds(RunSpan, st.floats(0, 1e4), st.floats(0, 1e4)), max_size=60)


def share_at(survival: Survival, age: float) -> float:
    """The estimated share of runs that are still running at this age."""
    return survival.shares[bisect_right(survival.ages, age) - 1]


@given(SPANS, SPANS, st.integers(1, 50), st.floats(0.01, 100))
def test_the_estimate_is_one_at_age_zero_and_never_rises(
    ended: list[RunSpan], running: list[RunSpan], weight: int, min_interval: float
) -> None:
    durations = ObservedDurations(0.0)
    for span in ended:
        durations.on_run_ended(span)
    estimate = durations.survival(running, weight, min_interval)
    assert (estimate.ages[0], estimate.shares[0]) == (0.0, 1.0)
    assert len(estimate.ages) == len(estimate.shares)
    assert all(before < after for before, after in zip(estimate.ages, estimate.ages[1:], strict=False))
    assert all(1 >= before >= after >= 0 for before, after in zip(estimate.shares, estimate.shares[1:], strict=False))


def test_the_estimate_is_the_share_of_longer_runs() -> None:
    durations = ObservedDurations(0.0)
    for second in range(1, 101):
        durations.on_run_ended(RunSpan(second, 2.0 * second))
    estimate = durations.survival([], 1, 1.0)
    for age in (10, 25, 50, 75):
        assert share_at(estimate, age) == pytest.approx(1 - age / 100, abs=0.06)


def test_runs_of_one_duration_have_all_ended_shortly_after_it() -> None:
    durations = ObservedDurations(0.0)
    for number in range(1000):
        durations.on_run_ended(RunSpan(float(number), number + 8.0))
    estimate = durations.survival([], 1, 1.0)
    assert share_at(estimate, 7.3) == 1.0
    assert share_at(estimate, 8.8) < 0.01


@pytest.mark.parametrize("passed", [25.0, 60.0, 400.0])
def test_running_runs_count_so_that_early_ends_do_not_bias_the_estimate(passed: float) -> None:
    """Half of the runs take 10 s, half 100 s; ten start per second. At first, most of the runs that end are short."""
    chance, durations, running = random.Random(1), ObservedDurations(0.0), list[RunSpan]()
    spans = [RunSpan(n / 10, n / 10 + chance.choice((10.0, 100.0))) for n in range(int(passed * 10))]
    for span in sorted(spans, key=lambda span: span.end):
        if span.end <= passed:
            durations.on_run_ended(span)
        else:
            running.append(RunSpan(span.start, passed))
    assert share_at(durations.survival(running, 1, 1.0), 50.0) == pytest.approx(0.5, abs=0.08)
    sample = durations.survival(running[::4], 4, 1.0)
    assert share_at(sample, 50.0) == pytest.approx(0.5, abs=0.08)


def test_after_a_window_of_ends_only_the_new_durations_count() -> None:
    durations = ObservedDurations(0.0)
    for number in range(2 * WINDOW):
        durations.on_run_ended(RunSpan(float(number), number + (5.0 if number < WINDOW else 40.0)))
    assert len(durations) == WINDOW
    assert share_at(durations.survival([], 1, 1.0), 30.0) > 0.95


def test_runs_that_ended_before_the_observation_are_ignored() -> None:
    durations = ObservedDurations(1000.0)
    durations.on_run_ended(RunSpan(500.0, 900.0))
    assert len(durations) == 0


@given(st.floats(0, 100), st.floats(0, 100), st.none() | st.floats(-10, 1e6))
def test_a_duration_lies_between_the_polls_whatever_the_service_reports(
    last_seen: float, more: float, reported: float | None
) -> None:
    age = run_duration(last_seen, last_seen + more, reported)
    assert (age is None) == (last_seen + more <= last_seen)
    assert age is None or last_seen <= age <= last_seen + more


def test_a_duration_from_the_service_is_used_if_it_is_possible() -> None:
    assert run_duration(4.0, 9.0, 7.5) == 7.5
    assert run_duration(4.0, 9.0, 9.0 + CLOCK_SLACK / 2) == 9.0
    assert run_duration(4.0, 9.0, 1000.0) == run_duration(4.0, 9.0, None) == 6.5
