"""What 429s do: the pause, and the rate that is found."""

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.domain.rate_control import (
    BELOW,
    CUT,
    DEEPEST_CUT,
    LONGEST_PATIENCE,
    LONGEST_PAUSE,
    LOWEST,
    PATIENCE,
    AdaptiveRate,
    ThrottlePause,
)
from tests.support.examples import examples

STEPS = st.lists(
    st.tuples(
        st.floats(0, 100),  # how much time passes
        st.sampled_from(["sent", "hit", "late", "brake", "good"]),
    ),
    max_size=80,
)
CEILINGS = st.sampled_from([0.1, 0.5, 1, 2, 7.5, 10, 50, 2000])


def told(control: AdaptiveRate, now: float, what: str) -> None:
    """Tell it."""
    match what:
        case "sent":
            control.on_sent(now)
        case "hit":
            control.on_sent(now)
            control.on_throttled(now, now)
        case "late":
            control.on_throttled(now, 0.0)
        case "brake":
            control.on_other_throttled(now)
        case _:
            control.on_success(now)


@given(CEILINGS, STEPS)
def test_the_rate_stays_within_its_bounds_and_moves_only_as_it_is_told(
    ceiling: float, steps: list[tuple[float, str]]
) -> None:
    control, now = AdaptiveRate(ceiling), 1000.0
    for passed, what in steps:
        now += passed
        before = control.rate
        told(control, now, what)
        assert LOWEST * ceiling <= control.rate <= ceiling
        if what == "sent":
            assert control.rate == before
        elif what == "good":
            assert control.rate >= before
        else:
            assert control.rate <= before


@given(CEILINGS, STEPS)
def test_it_finds_back_to_the_whole_rate_whatever_was_before(ceiling: float, steps: list[tuple[float, str]]) -> None:
    control, now = AdaptiveRate(ceiling), 1000.0
    for passed, what in steps:
        now += passed
        told(control, now, what)
    for second in range(round(LONGEST_PATIENCE) + 40):
        control.on_success(now + 1 + second)
    assert control.rate == ceiling


@given(st.integers(1, 50))
def test_one_episode_is_one_cut(answers: int) -> None:
    control = AdaptiveRate(10)
    cuts = [control.on_throttled(100.0 + n / 100, 99.0 + n / 100) for n in range(answers)]
    assert cuts == [True] + [False] * (answers - 1)
    assert control.rate >= 10 * DEEPEST_CUT


def test_what_was_taken_in_the_window_before_tells_how_deep_the_cut_is() -> None:
    rates = []
    for taken in (0, 7, 20):
        control = AdaptiveRate(10)
        for n in range(taken + 1):
            control.on_sent(99.5 + n / 100)
        control.on_throttled(100.0, 99.9)
        rates.append(control.rate)
    assert rates == pytest.approx([10 * DEEPEST_CUT, 7 * BELOW, 10 * CUT])


def test_another_sort_of_requests_slows_down_a_little_and_only_once() -> None:
    control = AdaptiveRate(10)
    for now in (100.0, 110.0, 120.0):
        control.on_other_throttled(now)
        assert control.rate == 10 * CUT


class Service:
    """Takes so many requests in any half-open second."""

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self._taken = deque[float]()

    def takes(self, now: float) -> bool:
        while self._taken and now - self._taken[0] >= 1:
            self._taken.popleft()
        if len(self._taken) >= self.quota:
            return False
        self._taken.append(now)
        return True


def worked(control: AdaptiveRate, service: Service, now: float, seconds: float) -> tuple[float, int, int]:
    """When so much time has passed with as many requests as the rate allows, how many were taken and how many not."""
    pause, last_good, second = ThrottlePause(), -1.0, now + 1
    end, taken, refused = now + seconds, 0, 0
    while now < end:
        control.on_sent(now)
        if service.takes(now):
            taken, last_good = taken + 1, now
        else:
            refused += 1
            control.on_throttled(now, now)
            pause.on_throttled(now, now, None, last_good)
        now = max(now + 1.002 / control.rate, pause.until)
        while now >= second:
            if second >= pause.until + 1:
                control.on_success(second)
            second += 1
    return now, taken, refused


@settings(max_examples=examples(20))
@given(st.integers(20, 100), st.floats(0.1, 0.95))
def test_a_quota_is_found_in_seconds_used_to_the_full_and_seldom_passed(ceiling: int, left: float) -> None:
    quota = max(2, int(ceiling * left))
    control, service = AdaptiveRate(ceiling), Service(ceiling)
    now, _, refused = worked(control, service, 1000.0, 20)
    assert refused == 0
    service.quota = quota
    now, _, _ = worked(control, service, now, 30)
    now, taken, refused = worked(control, service, now, 240)
    assert taken >= 0.93 * quota * 240
    assert refused <= 4
    service.quota = ceiling
    now, _, _ = worked(control, service, now, LONGEST_PATIENCE + 40)
    now, taken, refused = worked(control, service, now, 20)
    assert taken >= 0.95 * 20 * ceiling
    assert refused == 0


@settings(max_examples=examples(10))
@given(st.integers(0, 1000))
def test_a_429_now_and_then_is_not_taken_for_a_quota(seed: int) -> None:
    control, now = AdaptiveRate(50), 1000.0
    pause, on_sent, second = ThrottlePause(), 0, 1001.0
    while now < 1600:
        control.on_sent(now)
        on_sent += 1
        if (on_sent + seed) % 101 == 0:
            control.on_throttled(now, now)
            pause.on_throttled(now, now, 0.0, now)
        now += 1 / control.rate
        while now >= second:
            control.on_success(second)
            second += 1
    assert on_sent / 600 > 20


def test_tries_are_rarer_and_rarer_and_a_quota_that_is_passed_grows_in_doubling_steps() -> None:
    control, now = AdaptiveRate(100), 1000.0
    waits = []
    for _ in range(5):
        now += 2
        for n in range(20):
            control.on_sent(now + n / 100)
        now += 1
        control.on_throttled(now, now)
        since = now
        while control.quota is not None and control.rate <= control.quota:
            now += 1
            control.on_success(now)
        waits.append(now - since)
        control.on_success(now + 1)
    assert waits[1:] == [PATIENCE, 2 * PATIENCE, LONGEST_PATIENCE, LONGEST_PATIENCE]
    rates = [control.rate]
    while control.rate < 100:
        now += 1
        control.on_success(now)
        rates += [control.rate] if control.rate != rates[-1] else []
    steps = [after - before for before, after in pairwise(rates[:-1])]
    assert steps == pytest.approx([steps[0] * 2**n for n in range(len(steps))])


# -- the pause

HITS = st.lists(
    st.tuples(
        st.floats(0, 100),  # how much time passes
        st.floats(0, 100),  # how long ago it was sent
        st.none() | st.floats(0, 1e6),  # Retry-After
        st.booleans(),  # whether another one was taken
    ),
    max_size=60,
)


@given(HITS)
def test_the_pause_is_bounded_and_never_made_shorter(hits: list[tuple[float, float, float | None, bool]]) -> None:
    pause, now, last_good = ThrottlePause(), 1000.0, 0.0
    for passed, ago, retry_after, on_success in hits:
        now += passed
        last_good = now if on_success else last_good
        before = pause.until
        pause.on_throttled(now, now - ago, retry_after, last_good)
        assert before <= pause.until <= max(before, now + LONGEST_PAUSE)
        assert pause.until >= now + min(retry_after or 0.0, LONGEST_PAUSE)


def test_it_starts_with_no_pause() -> None:
    assert ThrottlePause().until == 0.0


@given(st.floats(0, LONGEST_PAUSE))
def test_retry_after_is_honoured(seconds: float) -> None:
    pause = ThrottlePause()
    pause.on_throttled(100.0, 99.0, seconds, 0.0)
    assert pause.until == 100.0 + seconds


def test_retry_after_is_clamped_to_a_quarter_of_an_hour() -> None:
    pause = ThrottlePause()
    pause.on_throttled(100.0, 99.0, 1e9, 0.0)
    assert pause.until == 100.0 + 900.0


def test_a_shorter_word_does_not_shorten_the_pause() -> None:
    pause = ThrottlePause()
    pause.on_throttled(100.0, 99.0, 60.0, 0.0)
    pause.on_throttled(101.0, 99.5, 1.0, 0.0)
    assert pause.until == 160.0


def test_without_a_word_the_pause_is_a_second_that_doubles_to_thirty_while_nothing_is_taken() -> None:
    pause, now, pauses = ThrottlePause(), 100.0, []
    for _ in range(8):
        pause.on_throttled(now, now, None, 50.0)
        pauses.append(pause.until - now)
        now = pause.until + 1.0
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_once_a_request_is_taken_the_pauses_begin_anew() -> None:
    pause = ThrottlePause()
    for now in (100.0, 110.0, 120.0):
        pause.on_throttled(now, now, None, 50.0)
    pause.on_throttled(140.0, 139.0, None, 130.0)
    assert pause.until == 141.0
