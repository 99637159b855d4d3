"""The time series of a session: bounded, in order, and nothing that was counted is lost."""

import math
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.time_series import _SUMS, MAX_INTERVALS, Interval, TimeSeries, coarser, merged

START = 1_760_000_000_000
COUNT = st.integers(0, 10**6)
OBSERVED = st.builds(
    Interval,
    at=st.just(0),
    observed_ms=st.integers(0, 10_000),
    submissions=COUNT,
    polls=COUNT,
    throttled=COUNT,
    completed=st.integers(-5, 10**6),
    failed=COUNT,
    timed_out=COUNT,
    in_flight=COUNT,
    allowed=st.floats(0, 1e6),
    paused_ms=COUNT,
    outage_ms=COUNT,
)
STEPS = st.lists(st.tuples(st.floats(0, 100_000), OBSERVED), max_size=60)


def sums(intervals: list[Interval]) -> dict[str, float]:
    return {name: math.fsum(getattr(one, name) for one in intervals) for name in _SUMS}


def same(first: dict[str, float], second: dict[str, float]) -> bool:
    return all(math.isclose(first[name], second[name], rel_tol=1e-9) for name in first)


@given(STEPS, st.integers(1, 20))
def test_sums_are_kept_and_the_series_is_bounded_and_in_order(steps: list[tuple[float, Interval]], most: int) -> None:
    series, seconds, added, widths = TimeSeries(START, most), 0.0, list[Interval](), [1]
    for gap, observed in steps:
        seconds += gap
        series.add(seconds, observed)
        added.append(observed)
        widths.append(series.width)
        found = list(series.intervals)
        assert len(found) <= most
        assert same(sums(found), sums(added))
        assert max(one.in_flight for one in found) == max(one.in_flight for one in added)
        assert all(first.at < second.at for first, second in pairwise(found))
        step = series.width * 1000
        assert all((one.at - START) % step == 0 for one in found)
        assert found[-1].at <= START + seconds * 1000 < found[-1].at + step or gap == 0
    assert all(after in {before * 2**power for power in range(40)} for before, after in pairwise(widths))


@given(STEPS)
def test_a_time_that_goes_back_stays_in_the_last_interval(steps: list[tuple[float, Interval]]) -> None:
    series = TimeSeries(START)
    for seconds, observed in steps:
        before = len(series.intervals)
        series.add(seconds, observed)
        assert len(series.intervals) <= max(before + 1, 1)
    assert same(sums(list(series.intervals)), sums([one for _, one in steps]))
    assert all(first.at < second.at for first, second in pairwise(series.intervals))


def test_ten_days_fit_and_ten_minutes_keep_their_seconds() -> None:
    series = TimeSeries(START)
    for second in range(MAX_INTERVALS):
        series.add(second, Interval(0, 1000, 1))
    assert (series.width, len(series.intervals)) == (1, MAX_INTERVALS)
    for second in range(MAX_INTERVALS, 10 * 86_400, 60):
        series.add(second, Interval(0, 60_000, 60))
    assert series.width == 2048
    assert MAX_INTERVALS / 3 < len(series.intervals) <= MAX_INTERVALS


@given(st.lists(OBSERVED, max_size=20))
def test_coarser_intervals_are_half_as_many_with_the_same_sums(intervals: list[Interval]) -> None:
    found = coarser(intervals)
    assert len(found) == math.ceil(len(intervals) / 2)
    assert same(sums(found), sums(intervals))


def test_an_interval_of_one_is_itself() -> None:
    one = Interval(START, 1000, 1, 2, 3, 4, 5, 6, 7, 8.0, 9, 10)
    assert merged(one) == one
    assert (one.ended, one.seconds, Interval(START).seconds) == (15, 1.0, 0.001)
