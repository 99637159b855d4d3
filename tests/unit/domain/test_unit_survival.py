"""What is learned of durations is what they are, though short runs are known first and old ends are forgotten."""

import random
from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.survival import SLACK, WINDOW, ObservedDurations, RunSpan, Survival, run_duration

LIVES = st.lists(st.builds(RunSpan, st.floats(0, 1e4), st.floats(0, 1e4)), max_size=60)


def share_at(survival: Survival, age: float) -> float:
    """How many are still at work at this age, as the estimate has it."""
    return survival.shares[bisect_right(survival.ages, age) - 1]


@given(LIVES, LIVES, st.integers(1, 50), st.floats(0.01, 100))
def test_an_estimate_falls_from_one_at_the_age_zero(
    on_run_ended: list[RunSpan], alive: list[RunSpan], each: int, least: float
) -> None:
    lifetimes = ObservedDurations(0.0)
    for life in on_run_ended:
        lifetimes.on_run_ended(life)
    found = lifetimes.survival(alive, each, least)
    assert (found.ages[0], found.shares[0]) == (0.0, 1.0)
    assert len(found.ages) == len(found.shares)
    assert all(before < after for before, after in zip(found.ages, found.ages[1:], strict=False))
    assert all(1 >= before >= after >= 0 for before, after in zip(found.shares, found.shares[1:], strict=False))


def test_the_estimate_is_the_share_that_lives_longer() -> None:
    lifetimes = ObservedDurations(0.0)
    for second in range(1, 101):
        lifetimes.on_run_ended(RunSpan(second, 2.0 * second))
    found = lifetimes.survival([], 1, 1.0)
    for age in (10, 25, 50, 75):
        assert share_at(found, age) == pytest.approx(1 - age / 100, abs=0.06)


def test_a_thousand_runs_of_one_duration_have_all_ended_then() -> None:
    lifetimes = ObservedDurations(0.0)
    for number in range(1000):
        lifetimes.on_run_ended(RunSpan(float(number), number + 8.0))
    found = lifetimes.survival([], 1, 1.0)
    assert share_at(found, 7.3) == 1.0
    assert share_at(found, 8.8) < 0.01


@pytest.mark.parametrize("passed", [25.0, 60.0, 400.0])
def test_those_at_work_count_so_that_early_ends_do_not_deceive(passed: float) -> None:
    """Half of the runs take 10 s, half 100 s, ten begin each second: soon after the beginning most ends are short."""
    chance, lifetimes, alive = random.Random(1), ObservedDurations(0.0), list[RunSpan]()
    lives = [RunSpan(n / 10, n / 10 + chance.choice((10.0, 100.0))) for n in range(int(passed * 10))]
    for life in sorted(lives, key=lambda life: life.until):
        if life.until <= passed:
            lifetimes.on_run_ended(life)
        else:
            alive.append(RunSpan(life.begun, passed))
    assert share_at(lifetimes.survival(alive, 1, 1.0), 50.0) == pytest.approx(0.5, abs=0.08)
    sample = lifetimes.survival(alive[::4], 4, 1.0)
    assert share_at(sample, 50.0) == pytest.approx(0.5, abs=0.08)


def test_what_changed_is_all_that_is_known_after_a_window_of_ends() -> None:
    lifetimes = ObservedDurations(0.0)
    for number in range(2 * WINDOW):
        lifetimes.on_run_ended(RunSpan(float(number), number + (5.0 if number < WINDOW else 40.0)))
    assert len(lifetimes) == WINDOW
    assert share_at(lifetimes.survival([], 1, 1.0), 30.0) > 0.95


def test_what_ended_before_we_looked_tells_nothing() -> None:
    lifetimes = ObservedDurations(1000.0)
    lifetimes.on_run_ended(RunSpan(500.0, 900.0))
    assert len(lifetimes) == 0


@given(st.floats(0, 100), st.floats(0, 100), st.none() | st.floats(-10, 1e6))
def test_a_duration_lies_between_the_polls_whatever_the_service_says(
    found: float, more: float, told: float | None
) -> None:
    age = run_duration(found, found + more, told)
    assert (age is None) == (found + more <= found)
    assert age is None or found <= age <= found + more


def test_the_service_is_believed_where_it_can_be_right() -> None:
    assert run_duration(4.0, 9.0, 7.5) == 7.5
    assert run_duration(4.0, 9.0, 9.0 + SLACK / 2) == 9.0
    assert run_duration(4.0, 9.0, 1000.0) == run_duration(4.0, 9.0, None) == 6.5
