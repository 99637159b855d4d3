"""What held a job back, from its time series."""

from collections.abc import Sequence

import pytest

from batchrun.domain.pace_limits import Limits, Pace, PaceLimit, seconds_by_limit
from batchrun.domain.time_series import Interval

LIMIT = 100


def series(*pieces: tuple[int, Interval]) -> list[Interval]:
    return [one for seconds, one in pieces for _ in range(seconds)]


def second(**values: float) -> Interval:
    return Interval(0, 1000, **{"allowed": 10.0, **values})  # type: ignore[arg-type]


def found(intervals: Sequence[Interval], total: float | None = None) -> dict[PaceLimit, int]:
    told = seconds_by_limit(intervals, Limits(LIMIT, total))
    return {limit: round(seconds) for limit, seconds in told.items()}


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
    refused = second(submissions=10, throttled=1)
    intervals = series((7, second(submissions=10)), (1, refused), (32, second(submissions=5, allowed=5.0)))
    assert found(intervals) == {PaceLimit.QUOTA: 32, PaceLimit.RPS: 8}


def test_a_rate_that_was_cut_in_the_first_second_is_the_quota_too() -> None:
    intervals = series((1, second(submissions=5, allowed=5.0, throttled=1)), (39, second(submissions=5, allowed=5.0)))
    told = seconds_by_limit(intervals, Limits(LIMIT, rate=10.0))
    assert {limit: round(seconds) for limit, seconds in told.items()} == {PaceLimit.QUOTA: 40}


def test_a_lower_rate_without_a_429_is_that_of_the_command() -> None:
    intervals = series((40, second(submissions=5, allowed=5.0)))
    assert list(seconds_by_limit(intervals, Limits(LIMIT, rate=10.0))) == [PaceLimit.RPS]
    shared_by_the_command = series((5, second(submissions=10)), (5, second(submissions=5, allowed=5.0)))
    assert list(seconds_by_limit(shared_by_the_command, Limits(LIMIT, rate=10.0))) == [PaceLimit.RPS]


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


def test_the_first_and_the_last_submissions_take_as_long_as_the_rate_lets_them() -> None:
    counts = 3, 9, 11, 10, 5, 0
    intervals = [second(submissions=count, in_flight=40) for count in counts]
    told = seconds_by_limit(intervals, Limits(LIMIT))
    assert told == pytest.approx(
        {PaceLimit.RPS: 3 + 3 / 9 + 5 / 10, PaceLimit.LAST_RUNS: 1.5, PaceLimit.OTHER: 1 - 3 / 9}
    )


@pytest.mark.parametrize("counts", [(6,), (4, 6)])
def test_so_few_submissions_that_no_interval_is_full_are_told_as_they_were_measured(counts: Sequence[int]) -> None:
    intervals = [second(submissions=count, in_flight=3) for count in (*counts, 0, 0)]
    assert PaceLimit.RPS not in seconds_by_limit(intervals, Limits(LIMIT))
    told = seconds_by_limit(intervals, Limits(LIMIT), Pace(PaceLimit.RPS, 9.5))
    assert told[PaceLimit.RPS] == pytest.approx(sum(counts) / 9.5)
    assert sum(told.values()) == pytest.approx(len(intervals))


def test_a_measured_rate_says_nothing_about_intervals_that_show_theirs() -> None:
    intervals = series((9, second(submissions=4, in_flight=9)))
    assert list(seconds_by_limit(intervals, Limits(LIMIT), Pace(PaceLimit.RPS, 9.5))) == [PaceLimit.OTHER]


def test_a_short_end_is_judged_with_the_interval_before() -> None:
    end = Interval(0, 200, submissions=0, allowed=2.0, in_flight=LIMIT)
    assert found([*series((9, second(submissions=10))), end]) == {PaceLimit.RPS: 9}


def test_runs_that_are_under_way_while_few_rows_are_submitted_again_are_waited_for() -> None:
    again = (second(submissions=1, in_flight=30), second(in_flight=30), second(in_flight=30))
    intervals = series((20, second(submissions=10, in_flight=30)), *((1, one) for one in again * 9), (1, again[0]))
    told = found(intervals)
    assert told[PaceLimit.RPS] == 20
    assert told[PaceLimit.RUNS] == 28


SHARED = Limits(LIMIT, rate=20.0, is_shared=True)


def test_a_lower_rate_in_a_job_that_shares_its_limits_is_its_share() -> None:
    intervals = series((8, second(submissions=20, allowed=20.0)), (32, second(submissions=10)))
    assert seconds_by_limit(intervals, SHARED) == {PaceLimit.SHARE: 32, PaceLimit.RPS: 8}


def test_a_429_is_blamed_in_a_job_that_shares_its_limits_until_the_rate_is_what_it_was() -> None:
    intervals = series(
        (5, second(submissions=10)),
        (1, second(submissions=9, throttled=1)),
        (7, second(submissions=8, allowed=8.0)),
        (10, second(submissions=10)),
        (10, second(submissions=8, allowed=8.0)),
    )
    assert seconds_by_limit(intervals, SHARED) == {PaceLimit.SHARE: 25, PaceLimit.QUOTA: 8}


@pytest.mark.parametrize(
    ("one", "limit"),
    [
        (second(submissions=4, polls=19, in_flight=9), PaceLimit.POLLS),
        (second(submissions=4, polls=19, in_flight=LIMIT), PaceLimit.POLLS),
        (second(submissions=4, polls=17, in_flight=LIMIT), PaceLimit.IN_FLIGHT),
        (second(submissions=9, polls=20, in_flight=LIMIT), PaceLimit.RPS),
    ],
)
def test_the_rate_of_polls_is_told_where_that_of_submissions_is_not_used_up(one: Interval, limit: PaceLimit) -> None:
    assert list(seconds_by_limit(series((40, one)), Limits(LIMIT, rate=10, poll_rate=20))) == [limit]


def test_last_runs_whose_ends_wait_for_polls_are_told_as_the_rate_of_polls() -> None:
    last = second(submissions=5, polls=20, in_flight=40)
    intervals = series((8, second(submissions=10, polls=20)), (1, last), (6, second(polls=19)), (2, second(polls=1)))
    told = seconds_by_limit(intervals, Limits(LIMIT, rate=10, poll_rate=20))
    assert told == pytest.approx({PaceLimit.RPS: 8.5, PaceLimit.POLLS: 6.5, PaceLimit.LAST_RUNS: 2})
