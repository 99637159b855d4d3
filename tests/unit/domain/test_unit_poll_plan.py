"""A plan keeps its bounds for all durations, and has fewer polls the higher their price is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.duration_survival import ObservedDurations, RunSpan, Survival
from batchrun.domain.poll_plan import GUARD, PollBounds, exponential, plan

DURATIONS = st.lists(st.floats(0.1, 1000), min_size=10, max_size=80)
BOUNDS = st.builds(lambda initial, more: PollBounds(initial, initial * more), st.floats(0.1, 60), st.floats(1, 100))
PRICE = st.floats(0.001, 1000)


def survival(durations: list[float], bounds: PollBounds) -> Survival:
    observed = ObservedDurations(0.0)
    for duration in durations:
        observed.on_run_ended(RunSpan(0.0, duration))
    return observed.survival([], 1, bounds.initial)


@given(DURATIONS, BOUNDS, PRICE, st.floats(0, 5000))
def test_no_interval_leaves_its_bounds(durations: list[float], bounds: PollBounds, price: float, age: float) -> None:
    interval = plan(survival(durations, bounds), bounds, price).interval(age, bounds)
    assert bounds.initial <= interval <= bounds.longest
    assert age == 0 or interval <= GUARD * (age + bounds.initial)


@given(DURATIONS, BOUNDS, PRICE, st.floats(0.1, 5000))
def test_every_run_is_found_in_time_however_long_it_takes(
    durations: list[float], bounds: PollBounds, price: float, run_duration: float
) -> None:
    """The lag is at most the longest interval, and at most what `GUARD` allows at the age of the run."""
    made = plan(survival(durations, bounds), bounds, price)
    first = age = made.interval(0.0, bounds)
    while age < run_duration:
        age += made.interval(age, bounds)
    assert age - run_duration <= bounds.longest * (1 + 1e-9)
    assert age <= max(first, run_duration + GUARD * (run_duration + bounds.initial)) * (1 + 1e-9)


@given(DURATIONS, BOUNDS, PRICE, st.floats(1, 100))
def test_a_higher_price_means_fewer_polls_and_a_longer_lag(
    durations: list[float], bounds: PollBounds, price: float, more: float
) -> None:
    known = survival(durations, bounds)
    cheap, expensive = plan(known, bounds, price), plan(known, bounds, price * more)
    assert expensive.polls <= cheap.polls + 1e-6
    assert expensive.lag >= cheap.lag - 1e-6


@given(DURATIONS, BOUNDS, PRICE, st.floats(1.2, 50))
def test_a_run_older_than_all_observed_runs_is_polled_at_intervals_that_double(
    durations: list[float], bounds: PollBounds, price: float, times: float
) -> None:
    known = survival(durations, bounds)
    age = known.ages[-1] * times
    interval = plan(known, bounds, price).interval(age, bounds)
    assert interval == pytest.approx(min(age + bounds.initial, bounds.longest))


def test_polls_and_lag_are_as_the_plan_expects() -> None:
    durations = [20 + n % 7 * 3.0 for n in range(200)]
    bounds = PollBounds(1.0, 30.0)
    made = plan(survival(durations, bounds), bounds, 2.0)
    polls, lag = 0, 0.0
    for duration in durations:
        age = 0.0
        while age < duration:
            age += made.interval(age, bounds)
            polls += 1
        lag += age - duration
    assert polls / 200 == pytest.approx(made.polls, rel=0.15)
    assert lag / 200 == pytest.approx(made.lag, abs=1.0)


def test_polls_and_lag_of_doubling_intervals_are_estimated_correctly() -> None:
    """Polls at 1, 3, 7, 15 and 31 s: a run of 26 to 28 s is polled five times, with a lag of 3 to 5 s."""
    bounds = PollBounds(1.0, 30.0)
    measured = exponential(survival([26.0 + n / 500 for n in range(1000)], bounds), bounds)
    assert measured.polls == pytest.approx(5, abs=0.1)
    assert measured.lag == pytest.approx(4, abs=0.5)


def test_runs_of_one_duration_are_polled_just_after_it() -> None:
    bounds = PollBounds(1.0, 60.0)
    made = plan(survival([30.0] * 200, bounds), bounds, 3.0)
    assert 30.0 <= made.interval(0.0, bounds) <= 33.0
    assert made.polls < 1.2


def test_between_two_modes_intervals_are_as_long_as_the_bounds_allow() -> None:
    bounds = PollBounds(1.0, 30.0)
    made = plan(survival([3.0] * 160 + [120.0] * 40, bounds), bounds, 1.0)
    ages = [made.interval(0.0, bounds)]
    while ages[-1] < 120:
        ages.append(ages[-1] + made.interval(ages[-1], bounds))
    assert 3.0 <= ages[0] <= 4.0
    assert len(ages) <= 8
    assert 120 <= ages[-1] <= 135
