"""What a 429 changes: the pause, and the rate."""

from collections import deque
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.domain.rate_control import (
    CUT,
    DEEPEST_CUT,
    MAX_QUOTA_HOLD,
    MIN_SHARE,
    QUOTA_HOLD,
    QUOTA_USE,
    AdaptiveRate,
    ThrottlePause,
)
from tests.support.examples import examples

STEPS = st.lists(
    st.tuples(
        st.floats(0, 100),  # seconds that pass
        st.sampled_from(["sent", "throttled", "late", "other throttled", "success"]),
    ),
    max_size=80,
)
CEILINGS = st.sampled_from([0.1, 0.5, 1, 2, 7.5, 10, 50, 2000])


def apply(control: AdaptiveRate, now: float, what: str) -> None:
    """Report one event to the rate control."""
    match what:
        case "sent":
            control.on_sent(now)
        case "throttled":
            control.on_sent(now)
            control.on_throttled(now, now)
        case "late":
            control.on_throttled(now, 0.0)
        case "other throttled":
            control.on_other_throttled(now)
        case _:
            control.on_success(now)


@given(CEILINGS, STEPS)
def test_the_rate_stays_within_its_bounds_and_changes_only_as_each_event_allows(
    ceiling: float, steps: list[tuple[float, str]]
) -> None:
    control, now = AdaptiveRate(ceiling), 1000.0
    for passed, what in steps:
        now += passed
        before = control.rate
        apply(control, now, what)
        assert MIN_SHARE * ceiling <= control.rate <= ceiling
        if what == "sent":
            assert control.rate == before
        elif what == "success":
            assert control.rate >= before
        else:
            assert control.rate <= before


@given(CEILINGS, STEPS)
def test_it_returns_to_the_full_rate_after_any_events(ceiling: float, steps: list[tuple[float, str]]) -> None:
    control, now = AdaptiveRate(ceiling), 1000.0
    for passed, what in steps:
        now += passed
        apply(control, now, what)
    for second in range(round(MAX_QUOTA_HOLD) + 40):
        control.on_success(now + 1 + second)
    assert control.rate == ceiling


@given(st.integers(1, 50))
def test_one_episode_is_one_cut(answers: int) -> None:
    control = AdaptiveRate(10)
    cuts = [control.on_throttled(100.0 + n / 100, 99.0 + n / 100) for n in range(answers)]
    assert cuts == [True] + [False] * (answers - 1)
    assert control.rate >= 10 * DEEPEST_CUT


def test_the_accepted_rate_before_a_429_determines_the_cut() -> None:
    rates = []
    for accepted in (0, 7, 20):
        control = AdaptiveRate(10)
        for n in range(accepted + 1):
            control.on_sent(99.5 + n / 100)
        control.on_throttled(100.0, 99.9)
        rates.append(control.rate)
    assert rates == pytest.approx([10 * DEEPEST_CUT, 7 * QUOTA_USE, 10 * CUT])


def test_another_class_of_requests_slows_down_a_little_and_only_once() -> None:
    control = AdaptiveRate(10)
    for now in (100.0, 110.0, 120.0):
        control.on_other_throttled(now)
        assert control.rate == 10 * CUT


class Service:
    """Accepts at most `quota` requests in any half-open second."""

    def __init__(self, quota: int) -> None:
        self.quota = quota
        self._accepted = deque[float]()

    def accepts(self, now: float) -> bool:
        while self._accepted and now - self._accepted[0] >= 1:
            self._accepted.popleft()
        if len(self._accepted) >= self.quota:
            return False
        self._accepted.append(now)
        return True


def send_for(control: AdaptiveRate, service: Service, now: float, seconds: float) -> tuple[float, int, int]:
    """Send at the full rate for `seconds`; the time after that, and how many requests were accepted and refused."""
    pause, last_success, second = ThrottlePause(), -1.0, now + 1
    end, accepted, refused = now + seconds, 0, 0
    while now < end:
        control.on_sent(now)
        if service.accepts(now):
            accepted, last_success = accepted + 1, now
        else:
            refused += 1
            control.on_throttled(now, now)
            pause.on_throttled(now, now, None, last_success)
        now = max(now + 1.002 / control.rate, pause.until)
        while now >= second:
            if second >= pause.until + 1:
                control.on_success(second)
            second += 1
    return now, accepted, refused


@settings(max_examples=examples(20))
@given(st.integers(20, 100), st.floats(0.1, 0.95))
def test_a_quota_is_found_within_seconds_used_almost_fully_and_rarely_exceeded(ceiling: int, left: float) -> None:
    quota = max(2, int(ceiling * left))
    control, service = AdaptiveRate(ceiling), Service(ceiling)
    now, _, refused = send_for(control, service, 1000.0, 20)
    assert refused == 0
    service.quota = quota
    now, _, _ = send_for(control, service, now, 30)
    now, accepted, refused = send_for(control, service, now, 240)
    assert accepted >= 0.93 * quota * 240
    assert refused <= 4
    service.quota = ceiling
    now, _, _ = send_for(control, service, now, MAX_QUOTA_HOLD + 40)
    now, accepted, refused = send_for(control, service, now, 20)
    assert accepted >= 0.95 * 20 * ceiling
    assert refused == 0


@settings(max_examples=examples(10))
@given(st.integers(0, 1000))
def test_an_occasional_429_is_not_taken_for_a_quota(seed: int) -> None:
    control, now = AdaptiveRate(50), 1000.0
    pause, sent, second = ThrottlePause(), 0, 1001.0
    while now < 1600:
        control.on_sent(now)
        sent += 1
        if (sent + seed) % 101 == 0:
            control.on_throttled(now, now)
            pause.on_throttled(now, now, 0.0, now)
        now += 1 / control.rate
        while now >= second:
            control.on_success(second)
            second += 1
    assert sent / 600 > 20


def test_higher_rates_are_tried_less_and_less_often_and_then_in_doubling_steps() -> None:
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
    assert waits[1:] == [QUOTA_HOLD, 2 * QUOTA_HOLD, MAX_QUOTA_HOLD, MAX_QUOTA_HOLD]
    rates = [control.rate]
    while control.rate < 100:
        now += 1
        control.on_success(now)
        rates += [control.rate] if control.rate != rates[-1] else []
    steps = [after - before for before, after in pairwise(rates[:-1])]
    assert steps == pytest.approx([steps[0] * 2**n for n in range(len(steps))])


# -- the pause

THROTTLES = st.lists(
    st.tuples(
        st.floats(0, 100),  # seconds that pass
        st.floats(0, 100),  # seconds since it was sent
        st.none() | st.floats(0, 1e6),  # Retry-After
        st.booleans(),  # whether another request succeeded
    ),
    max_size=60,
)


@given(THROTTLES)
def test_the_pause_is_bounded_and_never_made_shorter(throttles: list[tuple[float, float, float | None, bool]]) -> None:
    pause, now, last_success = ThrottlePause(), 1000.0, 0.0
    for passed, ago, retry_after, success in throttles:
        now += passed
        last_success = now if success else last_success
        before = pause.until
        longer = pause.on_throttled(now, now - ago, retry_after, last_success)
        assert longer == (pause.until > before)
        assert before <= pause.until <= max(before, now + (pause.default if retry_after is None else retry_after))
        assert pause.until >= now + (retry_after or 0.0)


def test_it_starts_with_no_pause() -> None:
    assert ThrottlePause().until == 0.0


@given(st.floats(0, 1e6))
def test_retry_after_is_honoured(seconds: float) -> None:
    pause = ThrottlePause()
    pause.on_throttled(100.0, 99.0, seconds, 0.0)
    assert pause.until == 100.0 + seconds


def test_pauses_without_a_success_add_up() -> None:
    pause = ThrottlePause()
    pause.on_throttled(100.0, 99.0, 60.0, 0.0)
    pause.on_throttled(161.0, 160.5, 60.0, 0.0)
    assert not pause.exceeds(61.5, 162.0 - 0.6)
    assert pause.exceeds(61.5, 162.0)
    assert not pause.exceeds(61.5, 222.0)  # it is over
    pause.on_throttled(300.0, 299.0, 60.0, 250.0)
    assert not pause.exceeds(61.5, 301.0)


def test_a_shorter_retry_after_does_not_shorten_the_pause() -> None:
    pause = ThrottlePause()
    pause.on_throttled(100.0, 99.0, 60.0, 0.0)
    pause.on_throttled(101.0, 99.5, 1.0, 0.0)
    assert pause.until == 160.0


def test_without_retry_after_the_pause_doubles_from_one_to_thirty_seconds_while_nothing_succeeds() -> None:
    pause, now, pauses = ThrottlePause(), 100.0, []
    for _ in range(8):
        pause.on_throttled(now, now, None, 50.0)
        pauses.append(pause.until - now)
        now = pause.until + 1.0
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_after_a_success_the_pauses_start_again_at_one_second() -> None:
    pause = ThrottlePause()
    for now in (100.0, 110.0, 120.0):
        pause.on_throttled(now, now, None, 50.0)
    pause.on_throttled(140.0, 139.0, None, 130.0)
    assert pause.until == 141.0


def test_a_success_at_the_very_end_of_a_pause_ends_the_series() -> None:
    pause, last_success = ThrottlePause(), -1.0
    for second in range(100, 200, 2):
        pause.on_throttled(float(second), float(second), 1.0, last_success)
        last_success = pause.until
        assert (pause.until, pause.since) == (second + 1.0, float(second))
    assert not pause.exceeds(60.0, 198.5)
