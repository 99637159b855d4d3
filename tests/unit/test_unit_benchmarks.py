"""What judges the benchmarks: the worst second, the most runs at once, the quota, the lateness of polls,
when a rate is reached."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.backoff import poll_interval
from batchrun.domain.randomness import draw
from tests.benchmarks.memory import SEED, lateness
from tests.benchmarks.recovery import Story
from tests.benchmarks.service import Quota, most_at_once, worst_second

# Quarters of seconds, so that differences are exact.
ARRIVALS = st.lists(st.integers(0, 40).map(lambda quarter: quarter / 4), max_size=60).map(sorted)


@given(ARRIVALS)
def test_the_worst_second_is_half_open(arrivals: list[float]) -> None:
    assert worst_second(arrivals) == max(
        (sum(at <= other < at + 1 for other in arrivals) for at in arrivals), default=0
    )


@given(ARRIVALS, st.integers(1, 5), st.integers(1, 5))
def test_a_quota_lets_through_what_it_allows_at_the_time_and_no_less(
    arrivals: list[float], before: int, then: int
) -> None:
    quota = Quota([(0, before), (3, then)])
    taken = list[float]()
    for at in arrivals:
        limit = before if at - arrivals[0] < 3 else then
        fits = sum(at - other < 1 for other in taken) < limit
        assert quota.take(at) is fits
        taken += [at] if fits else []


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), max_size=40))
def test_the_most_at_once(runs: list[tuple[int, int]]) -> None:
    runs = sorted((begin, begin + lasts) for begin, lasts in runs)
    most = max((sum(begin <= at < end for begin, end in runs) for at in range(41)), default=0)
    assert most_at_once([begin for begin, _ in runs], sorted(end for _, end in runs)) == most


def test_lateness_is_what_is_beyond_the_interval() -> None:
    runs, polls = list[float](), list[float]()
    for run, row, began in ((0, 7, 0.0), (1, 8, 1.0)):
        at = began
        for count in range(3):
            at += poll_interval(count, draw(SEED, row, 1, count, "poll"), 10, 10) + 0.25 * run
            polls.append(at)
            runs.append(run)
    times: dict[str, list[float]] = {"accepted": [0.0, 1.0], "ids": [7, 8], "poll_runs": runs, "polls": polls}
    assert [round(late, 6) for late in lateness(times, 10)] == [0, 0, 0, 0.25, 0.25, 0.25]


def test_a_rate_is_reached_where_it_is_used_for_a_while() -> None:
    story = Story(taken=[*(n / 4 for n in range(80)), *(20 + n / 10 for n in range(300))])
    assert story.reached(4, 0) == 0
    assert story.reached(10, 5) == pytest.approx(14.75, abs=1)
    assert story.reached(11, 0) == math.inf
