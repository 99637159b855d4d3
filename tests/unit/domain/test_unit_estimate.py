"""Estimates of a job."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.estimate import Limits, estimate, polls_until

LIMITS = Limits(rps=10, poll_rps=50, total_rps=None, max_in_flight=500, poll_initial=1, poll_max=30)


@pytest.mark.parametrize(
    ("run_s", "expected"),
    [(0, (1, 1)), (1, (1, 1)), (1.5, (2, 3)), (3, (2, 3)), (20, (5, 31)), (62, (7, 91)), (10_000, (338, 10021))],
)
def test_polls_come_at_doubling_intervals_up_to_the_longest(run_s: float, expected: tuple[int, float]) -> None:
    assert polls_until(run_s, 1, 30) == expected


@given(st.floats(0, 1e5), st.floats(0.1, 60), st.floats(1, 10))
def test_a_run_is_found_ended_at_the_first_poll_after_its_end(run_s: float, initial: float, factor: float) -> None:
    longest = initial * factor
    polls, found = polls_until(run_s, initial, longest)
    assert polls >= 1
    assert found >= run_s
    assert found - run_s <= longest * 1.000001


@pytest.mark.parametrize(
    ("limits", "run_s", "bound_by"),
    [
        (LIMITS, 2, "--rps 10"),
        (Limits(10, 10, None, 500, 1, 30), 2, "--poll-rps 10"),
        (Limits(10, 50, 12, 500, 1, 30), 2, "--total-rps 12"),
        (Limits(10, 500, None, 20, 1, 30), 60, "--max-in-flight 20"),
    ],
)
def test_the_limit_that_determines_the_duration_is_named(limits: Limits, run_s: float, bound_by: str) -> None:
    assert estimate(1000, run_s, limits).bound_by == bound_by


def test_the_runs_of_a_few_rows_take_the_time_and_no_limit_does() -> None:
    assert estimate(5, 120, Limits(1000, 1000, None, 500, 1, 30)).bound_by == ""
    assert estimate(1, 0, LIMITS).bound_by == ""


SYNC = replace(LIMITS, synchronous=True, max_connections=500)


@pytest.mark.parametrize(
    ("limits", "run_s", "bound_by"),
    [
        (SYNC, 2, "--rps 10"),
        (SYNC, 0, "--rps 10"),
        (replace(SYNC, poll_rps=0.1), 2, "--rps 10"),
        (replace(SYNC, max_in_flight=20), 60, "--max-in-flight 20"),
        (replace(SYNC, max_connections=20), 60, "--max-connections 20"),
        (replace(LIMITS, max_connections=1), 2, "--rps 10"),
        (replace(SYNC, total_rps=4), 2, "--total-rps 4"),
    ],
)
def test_a_synchronous_run_is_not_polled_and_holds_a_connection(limits: Limits, run_s: float, bound_by: str) -> None:
    found = estimate(1000, run_s, limits)
    assert found.bound_by == bound_by
    assert (found.polls == 0) == limits.synchronous


@pytest.mark.parametrize(("rows", "seconds"), [(0, 0), (1, 60), (2, 120), (102, 130), (5002, 60 + 500 + 60)])
def test_the_first_synchronous_run_is_alone(rows: int, seconds: float) -> None:
    assert estimate(rows, 60, replace(SYNC, max_in_flight=6000, max_connections=6000)).seconds == seconds


def test_an_estimate() -> None:
    found = estimate(1001, 2, LIMITS)
    assert (found.submissions, found.polls, found.seconds) == (1001, 2002, 103)
    assert estimate(0, 2, LIMITS).seconds == 0
