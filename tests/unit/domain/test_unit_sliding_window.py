"""What arrives at the service in a window never passes the limit, and hardly anything of the rate is lost."""

import math
from heapq import heappop, heappush

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.domain.sliding_window import HASTE, LATE, SURE, UNSURE, SlidingWindow, bucket, window

RATES = st.floats(0.001, 10_000)


@given(RATES)
def test_the_bucket_holds_one_request_and_what_a_moment_late_has_missed(rate: float) -> None:
    shape = bucket(rate)
    assert shape.size == 1 + LATE * rate
    assert shape.leak == pytest.approx(HASTE * rate)
    assert shape.period * shape.leak == pytest.approx(shape.size)


@given(st.floats(1, 10_000))
def test_from_one_a_second_on_the_window_is_a_second(rate: float) -> None:
    assert window(rate) == 1.0


@given(st.floats(0.001, 1, exclude_max=True))
def test_below_one_a_second_the_window_is_the_interval(rate: float) -> None:
    assert window(rate) == 1 / rate


def most(times: list[float], seconds: float) -> int:
    """Most arrivals in any half-open window."""
    times, best, first = sorted(times), 0, 0
    for last, time in enumerate(times):
        while time - times[first] >= seconds:
            first += 1
        best = max(best, last - first + 1)
    return best


def driven(
    sliding_window: SlidingWindow, count: int, there: list[float], back: list[float], *, answers: bool = True
) -> tuple[list[float], list[float]]:
    """When so many permits were given, as early as the ledger lets them, and when their requests arrived.

    `there`, `back`: how long a request and its answer are on their way, over and over.
    """
    given, arrived, on_answer = list[float](), list[float](), list[tuple[float, float]]()
    now = 1000.0
    while len(given) < count:
        while on_answer and on_answer[0][0] <= now:
            sliding_window.on_answer(on_answer[0][1], heappop(on_answer)[0])
        if (ready := sliding_window.next_permit_at(now)) > now:
            now = min(ready, on_answer[0][0]) if on_answer else ready
            continue
        n = len(given)
        at = sliding_window.add_permit(now)
        given.append(at)
        arrived.append(at + there[n % len(there)])
        if answers:
            heappush(on_answer, (arrived[-1] + back[n % len(back)], at))
    return given, arrived


SOME_RATES = st.sampled_from([0.3, 1, 1.5, 2, 5, 7.3, 10, 50, 200])
UNEVEN = st.lists(st.floats(0.01, 0.01 + UNSURE / 2), min_size=1, max_size=40)


@settings(deadline=None)
@given(SOME_RATES, UNEVEN, UNEVEN)
def test_however_unevenly_requests_arrive_no_window_sees_too_many(
    rate: float, there: list[float], back: list[float]
) -> None:
    # The quickest answer is among those of the first window.
    _, arrived = driven(SlidingWindow(rate), round(20 + 6 * rate), [0.01, *there], [0.01, *back[: len(there)]])
    if rate >= 1:
        assert most(arrived, 1.0) <= math.ceil(rate)
    else:
        assert most(arrived, 1 / rate) == 1


@settings(deadline=None)
@given(SOME_RATES)
def test_a_stall_now_and_then_is_allowed_for_in_full(rate: float) -> None:
    there = [0.01] * round(20 + 10 * rate)
    there[-3] += min(UNSURE * math.ceil(rate), window(rate) / 2)
    _, arrived = driven(SlidingWindow(rate), 3 * len(there), there, [0.01])
    assert most(arrived, window(rate)) <= math.ceil(rate)


@settings(deadline=None)
@given(SOME_RATES, st.lists(st.floats(0, 3), min_size=1, max_size=40), st.booleans())
def test_what_is_unsure_costs_no_more_than_two_per_cent(rate: float, back: list[float], answers: bool) -> None:
    count = round(20 + 20 * rate)
    given, _ = driven(SlidingWindow(rate), count, [0.01], back, answers=answers)
    bunch = math.ceil(rate)
    assert given[-1] - given[0] <= (count / rate) * (1 + SURE + UNSURE) + window(rate) + bunch * UNSURE


@settings(deadline=None)
@given(SOME_RATES, st.floats(0, 0.5))
def test_where_answers_come_evenly_hardly_anything_is_lost(rate: float, trip: float) -> None:
    count = 50 * math.ceil(rate)
    given, _ = driven(SlidingWindow(rate), 1 + count, [trip], [trip])
    assert count / (given[-1] - given[0]) >= 0.995 * rate


@settings(deadline=None)
@given(st.floats(1, 30), st.integers(1, 5))
def test_a_rate_that_is_no_whole_number_holds_in_the_long_run(rate: float, windows: int) -> None:
    given, _ = driven(SlidingWindow(rate), 1 + windows * math.ceil(rate), [0.01], [0.01])
    assert windows * math.ceil(rate) / (given[-1] - given[0]) <= rate


@given(st.integers(1, 50), st.lists(st.floats(0, 1), max_size=50))
def test_no_two_permits_are_alike(rate: int, waits: list[float]) -> None:
    sliding_window, now, given = SlidingWindow(rate), 1000.0, set[float]()
    for wait in waits:
        now += wait
        given.add(sliding_window.add_permit(now))
    assert len(given) == len(waits)


def test_a_lower_rate_counts_what_was_given_before() -> None:
    sliding_window = SlidingWindow(10)
    for n in range(10):
        sliding_window.add_permit(1000 + n / 10)
    sliding_window.slow_to(4)
    assert sliding_window.next_permit_at(1000.95) > 1001
    now = 1000.95
    while (ready := sliding_window.next_permit_at(now)) > now:
        now = ready
    assert now == pytest.approx(1000.6 + 1 + SURE + UNSURE)
