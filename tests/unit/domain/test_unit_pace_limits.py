"""What held a job back, from its time series."""

from collections.abc import Sequence

import pytest

from batchrun.domain.pace_limits import PaceLimit, seconds_by_limit
from batchrun.domain.time_series import Interval

LIMIT = 100


def series(*pieces: tuple[int, Interval]) -> list[Interval]:
    return [one for seconds, one in pieces for _ in range(seconds)]


def second(**values: float) -> Interval:
    return Interval(0, 1000, **{"allowed": 10.0, **values})  # type: ignore[arg-type]


def found(intervals: Sequence[Interval], total: float | None = None) -> dict[PaceLimit, int]:
    return {limit: round(seconds) for limit, seconds in seconds_by_limit(intervals, LIMIT, total).items()}


@pytest.mark.parametrize(
    ("one", "limit"),
    [
        (second(submissions=10), PaceLimit.RPS),
        (second(submissions=9, in_flight=LIMIT), PaceLimit.RPS),
        (second(submissions=4, in_flight=99), PaceLimit.IN_FLIGHT),
        (second(submissions=4, in_flight=9), PaceLimit.OTHER),
        (second(submissions=1, outage_ms=900), PaceLimit.OUTAGE),
        (second(submissions=1, paused_ms=700, throttled=2), PaceLimit.QUOTA),
    ],
)
def test_each_limit_is_told(one: Interval, limit: PaceLimit) -> None:
    assert found(series((40, one))) == {limit: 40}


def test_a_total_rate_is_told_before_the_places_in_flight() -> None:
    intervals = series((40, second(submissions=4, polls=15, in_flight=LIMIT)))
    assert found(intervals, total=20.0) == {PaceLimit.TOTAL: 40}


def test_a_rate_that_was_cut_and_is_used_is_the_quota() -> None:
    intervals = series((8, second(submissions=10)), (32, second(submissions=5, allowed=5.0)))
    assert found(intervals) == {PaceLimit.QUOTA: 32, PaceLimit.RPS: 8}


def test_a_rate_that_was_cut_in_the_first_second_is_the_quota_too() -> None:
    intervals = series((1, second(submissions=5, allowed=5.0, throttled=1)), (39, second(submissions=5, allowed=5.0)))
    told = seconds_by_limit(intervals, LIMIT, None, rate=10.0)
    assert {limit: round(seconds) for limit, seconds in told.items()} == {PaceLimit.QUOTA: 40}


def test_a_lower_rate_without_a_429_is_that_of_the_command() -> None:
    intervals = series((40, second(submissions=5, allowed=5.0)))
    assert list(seconds_by_limit(intervals, LIMIT, None, rate=10.0)) == [PaceLimit.RPS]


def test_after_the_last_submission_the_last_runs_are_waited_for() -> None:
    intervals = series((20, second(submissions=10, in_flight=50)), (20, second(in_flight=LIMIT, polls=3)))
    assert found(intervals) == {PaceLimit.RPS: 20, PaceLimit.LAST_RUNS: 20}


def test_a_slow_rate_is_told_from_longer_intervals() -> None:
    intervals = [second(submissions=int(number % 10 == 0), allowed=0.1) for number in range(800)]
    told = found(intervals)
    assert told[PaceLimit.RPS] > 700
    assert sum(told.values()) == 800


def test_nothing_observed_tells_nothing() -> None:
    assert found([]) == {}
    assert found([Interval(0)]) == {PaceLimit.LAST_RUNS: 0}
