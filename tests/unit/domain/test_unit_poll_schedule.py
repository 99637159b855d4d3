"""The schedule: as ever until enough is known, then by what is known, and dearer where polls come late."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.backoff import poll_interval
from batchrun.domain.poll_plan import GUARD, PollBounds
from batchrun.domain.poll_schedule import ENOUGH, EVERY, JUDGED, PRICES, SECONDS, PollSchedule
from batchrun.domain.randomness import draw
from batchrun.domain.survival import RunSpan

BOUNDS = PollBounds(1.0, 30.0)
CHANCE = st.floats(0, 1, exclude_max=True)
DURATIONS = st.lists(st.floats(0.1, 300), min_size=ENOUGH, max_size=150)


def learned(durations: Iterable[float], *, learns: bool = True) -> PollSchedule:
    """A schedule that knows of these ends, one a second."""
    schedule = PollSchedule(BOUNDS, 0.0, learns=learns)
    for second, duration in enumerate(durations):
        schedule.on_run_ended(RunSpan(float(second), second + duration))
        if schedule.wants_plan(second):
            schedule.learn([], 1, second)
    return schedule


def on_poll(schedule: PollSchedule, late: float, times: int = JUDGED * len(PRICES)) -> PollSchedule:
    for _ in range(times):
        schedule.on_poll(10.0, late)
    return schedule


def course(schedule: PollSchedule, duration: float, chance: Callable[[int], float] = lambda _poll: 0.5) -> list[float]:
    """The ages at which a run of this duration is polled."""
    ages = [schedule.wait(0, 0.0, chance(0))]
    while ages[-1] < duration:
        ages.append(ages[-1] + schedule.wait(len(ages), ages[-1], chance(len(ages))))
    return ages


@given(st.lists(st.floats(0.1, 300), max_size=ENOUGH - 1), st.integers(0, 99), st.floats(0, 1e4), CHANCE)
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
    wait = on_poll(learned(durations), late).wait(polls, age, chance, scout=chance > 0.5)
    assert 0.9 * BOUNDS.initial <= wait <= BOUNDS.longest
    assert polls == 0 or age <= 0 or wait <= GUARD * (age + BOUNDS.initial)


@given(DURATIONS, st.floats(0.1, 1000))
def test_the_wait_is_spread_by_ten_per_cent_at_least_on_one_side(durations: list[float], age: float) -> None:
    schedule = learned(durations)
    waits = [schedule.wait(1, age, chance) for chance in (0.0, 0.999)]
    assert waits[1] / waits[0] > 1.1


@given(DURATIONS, st.integers(0, 2**32), st.floats(0.1, 300))
def test_one_seed_gives_one_course(durations: list[float], seed: int, duration: float) -> None:
    def chance(poll: int) -> float:
        return draw(seed, 7, poll)

    assert course(learned(durations), duration, chance) == course(learned(durations), duration, chance)


@pytest.mark.parametrize(
    "durations",
    [
        pytest.param([26 + n % 9 for n in range(400)], id="tight"),
        pytest.param([(5.0, 9.0, 20.0, 36.0, 75.0)[n % 5] for n in range(400)], id="wide"),
        pytest.param([120.0 if n % 5 == 0 else 3.0 for n in range(400)], id="two modes"),
    ],
)
def test_polls_in_time_find_ends_sooner_and_late_ones_are_fewer_at_no_more_lag(durations: list[float]) -> None:
    def mean(schedule: PollSchedule) -> tuple[float, float]:
        courses = [
            (duration, course(schedule, duration, partial(draw, 1, number)))
            for number, duration in enumerate(durations)
        ]
        return (
            sum(len(ages) for _, ages in courses) / len(courses),
            sum(ages[-1] - duration for duration, ages in courses) / len(courses),
        )

    doubling = mean(PollSchedule(BOUNDS, 0.0))
    prompt = mean(on_poll(learned(durations), 0.0))
    sparing = mean(on_poll(learned(durations), 5.0))
    assert prompt[0] <= 1.1 * doubling[0]
    assert prompt[1] <= 0.5 * doubling[1]
    assert sparing[0] <= 0.75 * doubling[0]
    assert sparing[1] <= 1.1 * doubling[1]


def test_a_price_that_went_up_comes_down_again() -> None:
    durations = [26 + n % 9 for n in range(400)]
    there_and_back = on_poll(on_poll(learned(durations), 5.0), 0.0)
    assert course(there_and_back, 40) == course(on_poll(learned(durations), 0.0), 40)


def test_plans_are_made_seldom() -> None:
    schedule, made = PollSchedule(BOUNDS, 0.0), list[int]()
    for number in range(10_000):
        now = number / 100
        schedule.on_run_ended(RunSpan(now, now + 3))
        if schedule.wants_plan(now):
            schedule.learn([], 1, now)
            made.append(number)
    assert made[0] == ENOUGH - 1
    assert all(after - before >= SECONDS * 100 > EVERY for before, after in pairwise(made))
    assert len(made) > 10


def test_a_scout_comes_earlier_and_only_the_first_time() -> None:
    schedule = learned([20.0] * 100)
    assert schedule.wait(0, 0.0, 0.2, scout=True) < 5
    assert schedule.wait(0, 0.0, 0.2) > 16
    assert schedule.wait(1, 10.0, 0.2, scout=True) == schedule.wait(1, 10.0, 0.2)


def test_longer_runs_are_noticed_while_they_are_still_at_work() -> None:
    """The runs took 10 s; now there are many that were found at work at 12 s, and none of them has ended."""
    schedule = learned([10.0 + n % 5 for n in range(400)])
    before = schedule.wait(0, 0.0, 0.5)
    schedule.learn([RunSpan(395.0, 395.0 + 12.0)] * 2000, 1, 410.0)
    assert schedule.wait(0, 0.0, 0.5) > before
