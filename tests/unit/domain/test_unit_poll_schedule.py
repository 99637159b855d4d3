"""Intervals double until enough runs have ended; then polls follow the durations, and cost more if they are late."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.backoff import poll_interval
from batchrun.domain.duration_survival import RunSpan
from batchrun.domain.poll_plan import GUARD, PollBounds
from batchrun.domain.poll_schedule import (
    FIRST_PLAN_ENDS,
    MIN_REPLAN_SECONDS,
    POLLS_PER_PRICE,
    PRICES,
    REPLAN_ENDS,
    PollSchedule,
)
from batchrun.domain.randomness import draw

BOUNDS = PollBounds(1.0, 30.0)
CHANCE = st.floats(0, 1, exclude_max=True)
DURATIONS = st.lists(st.floats(0.1, 300), min_size=FIRST_PLAN_ENDS, max_size=150)


def learned(durations: Iterable[float], *, learns: bool = True) -> PollSchedule:
    """A schedule that has learned from these durations; one run ended per second."""
    schedule = PollSchedule(BOUNDS, 0.0, learns=learns)
    for second, duration in enumerate(durations):
        schedule.on_run_ended(RunSpan(float(second), second + duration))
        if schedule.wants_plan(second):
            schedule.learn([], 1, second)
    return schedule


def on_poll(schedule: PollSchedule, late: float, times: int = POLLS_PER_PRICE * len(PRICES)) -> PollSchedule:
    for _ in range(times):
        schedule.on_poll(10.0, late)
    return schedule


def poll_ages(
    schedule: PollSchedule, duration: float, chance: Callable[[int], float] = lambda _poll: 0.5
) -> list[float]:
    """The ages at which a run of this duration is polled."""
    ages = [schedule.wait(0, 0.0, chance(0))]
    while ages[-1] < duration:
        ages.append(ages[-1] + schedule.wait(len(ages), ages[-1], chance(len(ages))))
    return ages


@given(st.lists(st.floats(0.1, 300), max_size=FIRST_PLAN_ENDS - 1), st.integers(0, 99), st.floats(0, 1e4), CHANCE)
def test_until_enough_runs_have_ended_intervals_double(
    durations: list[float], polls: int, age: float, chance: float
) -> None:
    expected = poll_interval(polls, chance, BOUNDS.initial, BOUNDS.longest)
    assert learned(durations).wait(polls, age, chance) == expected
    assert learned(durations * 9, learns=False).wait(polls, age, chance) == expected


@given(DURATIONS, st.sampled_from([0.0, 10.0]), st.integers(0, 99), st.floats(-1, 1e4), CHANCE)
def test_no_wait_is_too_short_or_too_long(
    durations: list[float], late: float, polls: int, age: float, chance: float
) -> None:
    wait = on_poll(learned(durations), late).wait(polls, age, chance, explore=chance > 0.5)
    assert 0.9 * BOUNDS.initial <= wait <= BOUNDS.longest
    assert polls == 0 or age <= 0 or wait <= GUARD * (age + BOUNDS.initial)


@given(DURATIONS, st.floats(0.1, 1000))
def test_the_wait_is_spread_by_ten_per_cent_at_least_on_one_side(durations: list[float], age: float) -> None:
    schedule = learned(durations)
    waits = [schedule.wait(1, age, chance) for chance in (0.0, 0.999)]
    assert waits[1] / waits[0] > 1.1


@given(DURATIONS, st.integers(0, 2**32), st.floats(0.1, 300))
def test_the_same_seed_gives_the_same_polls(durations: list[float], seed: int, duration: float) -> None:
    def chance(poll: int) -> float:
        return draw(seed, 7, poll)

    assert poll_ages(learned(durations), duration, chance) == poll_ages(learned(durations), duration, chance)


@pytest.mark.parametrize(
    "durations",
    [
        pytest.param([26 + n % 9 for n in range(400)], id="tight"),
        pytest.param([(5.0, 9.0, 20.0, 36.0, 75.0)[n % 5] for n in range(400)], id="wide"),
        pytest.param([120.0 if n % 5 == 0 else 3.0 for n in range(400)], id="two modes"),
    ],
)
def test_polls_on_time_shorten_the_lag_and_late_polls_become_fewer_at_no_more_lag(durations: list[float]) -> None:
    def mean(schedule: PollSchedule) -> tuple[float, float]:
        polled = [
            (duration, poll_ages(schedule, duration, partial(draw, 1, number)))
            for number, duration in enumerate(durations)
        ]
        return (
            sum(len(ages) for _, ages in polled) / len(polled),
            sum(ages[-1] - duration for duration, ages in polled) / len(polled),
        )

    doubling = mean(PollSchedule(BOUNDS, 0.0))
    on_time = mean(on_poll(learned(durations), 0.0))
    late_polls = mean(on_poll(learned(durations), 5.0))
    assert on_time[0] <= 1.1 * doubling[0]
    assert on_time[1] <= 0.5 * doubling[1]
    assert late_polls[0] <= 0.75 * doubling[0]
    assert late_polls[1] <= 1.1 * doubling[1]


def test_a_price_that_has_risen_falls_again() -> None:
    durations = [26 + n % 9 for n in range(400)]
    there_and_back = on_poll(on_poll(learned(durations), 5.0), 0.0)
    assert poll_ages(there_and_back, 40) == poll_ages(on_poll(learned(durations), 0.0), 40)


def test_plans_are_made_rarely() -> None:
    schedule, made = PollSchedule(BOUNDS, 0.0), list[int]()
    for number in range(10_000):
        now = number / 100
        schedule.on_run_ended(RunSpan(now, now + 3))
        if schedule.wants_plan(now):
            schedule.learn([], 1, now)
            made.append(number)
    assert made[0] == FIRST_PLAN_ENDS - 1
    assert all(after - before >= MIN_REPLAN_SECONDS * 100 > REPLAN_ENDS for before, after in pairwise(made))
    assert len(made) > 10


def test_an_exploring_run_is_polled_earlier_the_first_time_only() -> None:
    schedule = learned([20.0] * 100)
    assert schedule.wait(0, 0.0, 0.2, explore=True) < 5
    assert schedule.wait(0, 0.0, 0.2) > 16
    assert schedule.wait(1, 10.0, 0.2, explore=True) == schedule.wait(1, 10.0, 0.2)


def test_longer_runs_are_noticed_while_they_are_still_running() -> None:
    """The runs took 10 s. Now many runs were found running at 12 s, and none of them has ended."""
    schedule = learned([10.0 + n % 5 for n in range(400)])
    before = schedule.wait(0, 0.0, 0.5)
    schedule.learn([RunSpan(395.0, 395.0 + 12.0)] * 2000, 1, 410.0)
    assert schedule.wait(0, 0.0, 0.5) > before
