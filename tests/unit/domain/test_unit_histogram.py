"""A distribution in bounded space: all are counted, and quantiles are within 2 %."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.histogram import PRECISION, SMALLEST, Histogram

TIMES = st.lists(st.floats(-10, 1e7), min_size=1, max_size=200)


def filled(times: list[float]) -> Histogram:
    found = Histogram()
    for seconds in times:
        found.add(seconds)
    return found


@given(TIMES, st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_is_near_that_of_all_times(times: list[float], share: float) -> None:
    found = filled(times)
    ordered = sorted(times)
    exact = ordered[max(0, -(-round(share * 1000) * len(times) // 1000) - 1)]
    quantile = found.quantile(share)
    assert quantile is not None
    assert exact / PRECISION - SMALLEST <= quantile <= max(exact, 0) * PRECISION + SMALLEST
    assert found.quantile(0.3) <= found.quantile(0.6) <= found.quantile(1.0)  # type: ignore[operator]
    assert (found.n, found.largest) == (len(times), max(0.0, *times))


@given(TIMES, st.integers(2, 40))
def test_bars_hold_every_time_and_are_neighbours(times: list[float], most: int) -> None:
    bars = filled(times).bars(most)
    assert len(bars) <= most
    assert sum(count for _, _, count in bars) == len(times)
    assert all(first[1] == pytest.approx(second[0]) for first, second in pairwise(bars))
    assert all(begin < end or begin == end == 0.001 for begin, end, _ in bars if begin)


def test_without_times_nothing_is_known() -> None:
    assert (Histogram().quantile(0.5), Histogram().bars(), Histogram().n) == (None, [], 0)


def test_the_first_bar_reaches_to_the_next_times_of_a_clock_of_whole_seconds() -> None:
    bars = filled([0.0, 0.0, 1.0, 2.0]).bars()
    assert bars[0][::2] == (0.0, 2)
    assert bars[0][1] == pytest.approx(1.0, rel=0.03)
