"""When a running job will have ended."""

import pytest

from batchrun.domain.eta import Durations, Submitting, rest_of_tail, submission_rate, tail

HALF_MINUTE = [29.5 + index / 100 for index in range(100)]


def _steady(rate: float, age: float) -> Durations:
    """After `age` seconds of submissions at this rate, with runs of about 30 s."""
    ended = round(rate * (age - 30))
    sample = [HALF_MINUTE[index * 100 // ended] for index in range(ended)] if ended < 100 else HALF_MINUTE
    return Durations(sample, ended, round(rate * 30), Submitting(age, 0.0))


@pytest.mark.parametrize("age", [33, 40, 60, 600])
def test_runs_that_are_still_under_way_do_not_shorten_the_estimate(age: float) -> None:
    durations = _steady(4.0, age)
    assert durations.excess(0.0) == pytest.approx(30, rel=0.05)
    assert tail(durations, 4.0, age) == pytest.approx(30, rel=0.05)


def test_slots_in_flight_bound_the_rate() -> None:
    durations = _steady(4.0, 60)
    assert submission_rate(durations, 4.0, 500) == 4.0
    assert submission_rate(durations, 4.0, 60) == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("ago", [5, 10, 20, 25])
def test_the_tail_ends_as_long_after_the_last_submission_as_a_run_takes(ago: int) -> None:
    durations = Durations(HALF_MINUTE, 400, 120 - 4 * ago, Submitting(130.0, ago))
    assert rest_of_tail(durations, 120 - 4 * ago, Submitting(130.0, ago)) == pytest.approx(30 - ago, abs=1.5)


@pytest.mark.parametrize("ago", [29.9, 35, 300, 3000])
def test_a_run_that_takes_longer_than_any_before_is_never_about_to_end_at_once(ago: float) -> None:
    durations = Durations(HALF_MINUTE, 400, 1, Submitting(100.0, ago))
    assert rest_of_tail(durations, 1, Submitting(100.0, ago)) > 0


def test_if_most_runs_take_longer_than_the_session_has_lasted_the_first_to_end_do_not_count_for_all() -> None:
    short = [float(second) for second in range(1, 11)]
    some, all_ended = (Durations(short, 10, running, Submitting(5.0, 20.0)) for running in (100, 0))
    assert not some.is_tail_known
    assert all_ended.is_tail_known
    assert some.excess(0.0) > 20
    assert all_ended.excess(0.0) < 10
    assert rest_of_tail(some, 100, Submitting(5.0, 20.0)) > 20


def test_one_duration_and_one_submission_are_enough() -> None:
    durations = Durations([0.0], 1, 1, Submitting(0.0, 0.0))
    assert 0 < rest_of_tail(durations, 1, Submitting(0.0, 0.0)) < 10
    assert 0 <= tail(durations, 10.0, 0.0) < 10
