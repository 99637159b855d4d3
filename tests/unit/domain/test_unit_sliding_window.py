"""Arrivals at the service in a window never exceed the limit, and almost none of the rate is lost."""

import math
from heapq import heappop, heappush

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.domain.sliding_window import (
    EXTRA_MARGIN,
    LEAK_FACTOR,
    MARGIN,
    MAX_WAKEUP_DELAY,
    SlidingWindow,
    bucket,
    window,
)

RATES = st.floats(0.001, 10_000)


@given(RATES)
def test_the_bucket_holds_one_request_and_those_of_a_late_wakeup(rate: float) -> None:
    shape = bucket(rate)
    assert shape.size == 1 + MAX_WAKEUP_DELAY * rate
    assert shape.leak == pytest.approx(LEAK_FACTOR * rate)
    assert shape.period * shape.leak == pytest.approx(shape.size)


@given(st.floats(1, 10_000))
def test_from_one_per_second_on_the_window_is_one_second(rate: float) -> None:
    assert window(rate) == 1.0


@given(st.floats(0.001, 1, exclude_max=True))
def test_below_one_per_second_the_window_is_the_interval(rate: float) -> None:
    assert window(rate) == 1 / rate


def max_arrivals(times: list[float], seconds: float) -> int:
    """The largest number of arrivals in any half-open window."""
    times, best, first = sorted(times), 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= seconds:
            first += 1
        best = max(best, last - first + 1)
    return best


def simulate(
    sliding_window: SlidingWindow, count: int, there: list[float], back: list[float], *, answers: bool = True
) -> tuple[list[float], list[float]]:
    """The times of `count` permits, each given as early as possible, and the times at which the requests arrive.

    `there`, `back`: seconds that a request and its answer take; the lists repeat.
    """
    given, arrived, answered = list[float](), list[float](), list[tuple[float, float]]()
    now = 1000.0
    while len(given) < count:
        while answered and answered[0][0] <= now:
            sliding_window.on_answer(answered[0][1], heappop(answered)[0])
        if (ready := sliding_window.next_permit_at(now)) > now:
            now = min(ready, answered[0][0]) if answered else ready
            continue
        n = len(given)
        at = sliding_window.add_permit(now)
        given.append(at)
        arrived.append(at + there[n % len(there)])
        if answers:
            heappush(answered, (arrived[-1] + back[n % len(back)], at))
    return given, arrived


SOME_RATES = st.sampled_from([0.3, 1, 1.5, 2, 5, 7.3, 10, 50, 200])
DELAYS = st.lists(st.floats(0.01, 0.01 + EXTRA_MARGIN / 2), min_size=1, max_size=40)


@settings(deadline=None)
@given(SOME_RATES, DELAYS, DELAYS)
def test_no_window_exceeds_the_limit_however_unevenly_requests_arrive(
    rate: float, there: list[float], back: list[float]
) -> None:
    # The fastest answer is one of the first window.
    _, arrived = simulate(SlidingWindow(rate), round(20 + 6 * rate), [0.01, *there], [0.01, *back[: len(there)]])
    if rate >= 1:
        assert max_arrivals(arrived, 1.0) <= math.ceil(rate)
    else:
        assert max_arrivals(arrived, 1 / rate) == 1


@settings(deadline=None)
@given(SOME_RATES)
def test_an_occasional_stall_is_compensated_in_full(rate: float) -> None:
    there = [0.01] * round(20 + 10 * rate)
    there[-3] += min(EXTRA_MARGIN * math.ceil(rate), window(rate) / 2)
    _, arrived = simulate(SlidingWindow(rate), 3 * len(there), there, [0.01])
    assert max_arrivals(arrived, window(rate)) <= math.ceil(rate)


@settings(deadline=None)
@given(SOME_RATES, st.lists(st.floats(0, 3), min_size=1, max_size=40), st.booleans())
def test_uneven_answers_cost_at_most_the_extra_margin(rate: float, back: list[float], answers: bool) -> None:
    count = round(20 + 20 * rate)
    given, _ = simulate(SlidingWindow(rate), count, [0.01], back, answers=answers)
    burst = math.ceil(rate)
    assert given[-1] - given[0] <= (count / rate) * (1 + MARGIN + EXTRA_MARGIN) + window(rate) + burst * EXTRA_MARGIN


@settings(deadline=None)
@given(SOME_RATES, st.floats(0, 0.5))
def test_with_even_answers_almost_none_of_the_rate_is_lost(rate: float, trip: float) -> None:
    count = 50 * math.ceil(rate)
    given, _ = simulate(SlidingWindow(rate), 1 + count, [trip], [trip])
    assert count / (given[-1] - given[0]) >= 0.995 * rate


@settings(deadline=None)
@given(st.floats(1, 30), st.integers(1, 5))
def test_a_fractional_rate_holds_in_the_long_run(rate: float, windows: int) -> None:
    given, _ = simulate(SlidingWindow(rate), 1 + windows * math.ceil(rate), [0.01], [0.01])
    assert windows * math.ceil(rate) / (given[-1] - given[0]) <= rate


@given(st.integers(1, 50), st.lists(st.floats(0, 1), max_size=50))
def test_permit_times_are_unique(rate: int, waits: list[float]) -> None:
    sliding_window, now, given = SlidingWindow(rate), 1000.0, set[float]()
    for wait in waits:
        now += wait
        given.add(sliding_window.add_permit(now))
    assert len(given) == len(waits)


def test_a_lower_rate_counts_earlier_permits() -> None:
    sliding_window = SlidingWindow(10)
    for n in range(10):
        sliding_window.add_permit(1000 + n / 10)
    sliding_window.slow_to(4)
    assert sliding_window.next_permit_at(1000.95) > 1001
    now = 1000.95
    while (ready := sliding_window.next_permit_at(now)) > now:
        now = ready
    assert now == pytest.approx(1000.6 + 1 + MARGIN + EXTRA_MARGIN)
