"""What 429s do to the rate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.throttle import CUT, GROWTH, LONGEST_PAUSE, LOWEST, Throttle

STEPS = st.lists(
    st.tuples(
        st.floats(0, 100),  # how much time passes
        st.sampled_from(["hit", "late", "clean"]),
        st.none() | st.floats(0, 1e6),  # Retry-After
    ),
    max_size=60,
)


@given(STEPS)
def test_the_share_stays_within_its_bounds_and_the_pause_is_bounded(
    steps: list[tuple[float, str, float | None]],
) -> None:
    throttle, now = Throttle(), 1000.0
    for passed, what, retry_after in steps:
        now += passed
        before, until = throttle.share, throttle.until
        if what == "clean":
            throttle.clean(now)
            assert throttle.share >= before
        else:
            throttle.hit(now, now if what == "hit" else 0.0, retry_after)
            assert throttle.share <= before
            assert throttle.until <= max(until, now + LONGEST_PAUSE)
            assert throttle.until >= now
        assert LOWEST <= throttle.share <= 1.0
        assert throttle.until >= until


def test_it_starts_with_all_of_the_rate_and_no_pause() -> None:
    throttle = Throttle()
    assert (throttle.share, throttle.until) == (1.0, 0.0)


@given(st.integers(1, 50))
def test_one_episode_is_one_cut(answers: int) -> None:
    throttle = Throttle()
    for n in range(answers):
        throttle.hit(100.0 + n / 100, 99.0 + n / 100, None)
    assert throttle.share == CUT


def test_a_request_that_left_after_the_cut_is_a_new_episode() -> None:
    throttle = Throttle()
    throttle.hit(100.0, 99.0, None)
    throttle.hit(105.0, 104.0, None)
    assert throttle.share == pytest.approx(CUT * CUT)


@given(st.floats(0, LONGEST_PAUSE))
def test_retry_after_is_honoured(seconds: float) -> None:
    throttle = Throttle()
    throttle.hit(100.0, 99.0, seconds)
    assert throttle.until == 100.0 + seconds


def test_retry_after_is_clamped_to_a_quarter_of_an_hour() -> None:
    throttle = Throttle()
    throttle.hit(100.0, 99.0, 1e9)
    assert throttle.until == 100.0 + 900.0


def test_a_shorter_word_does_not_shorten_the_pause() -> None:
    throttle = Throttle()
    throttle.hit(100.0, 99.0, 60.0)
    throttle.hit(101.0, 99.5, 1.0)
    assert throttle.until == 160.0


def test_without_a_word_the_pause_is_a_second_that_doubles_to_thirty() -> None:
    throttle, now, pauses = Throttle(), 100.0, []
    for _ in range(8):
        throttle.hit(now, now, None)
        pauses.append(throttle.until - now)
        now = throttle.until + 1.0
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


def test_it_grows_back_by_a_twentieth_a_clean_second_and_never_during_the_pause() -> None:
    throttle = Throttle()
    throttle.hit(100.0, 99.0, 10.0)
    throttle.clean(110.0)
    assert throttle.share == CUT
    throttle.clean(110.5)
    assert throttle.share == pytest.approx(CUT + GROWTH)
    for second in range(10):
        throttle.clean(111.5 + second)
    assert throttle.share == 1.0


def test_after_a_clean_second_the_pauses_begin_anew() -> None:
    throttle = Throttle()
    for now in (100.0, 110.0, 120.0):
        throttle.hit(now, now, None)
    throttle.clean(130.0)
    throttle.hit(140.0, 139.0, None)
    assert throttle.until == 141.0
