"""Callbacks are trusted after a few ends that they announced, and distrusted after two that they missed."""

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.callback_reliability import (
    FIRST_PROOF,
    MAX_MISSED,
    MAX_PROOF,
    STRETCH,
    WINDOW,
    CallbackReliability,
    Reliability,
    is_polled_often,
)

ENDS = st.lists(st.sampled_from(["announced", "missed", "late"]), max_size=400)
INTERVAL, LONGEST, CHANCE = st.floats(0, 30), st.floats(30, 1e4), st.floats(0, 1, exclude_max=True)


def apply(reliability: CallbackReliability, ends: list[str]) -> None:
    missed: list[int] = []
    for row, end in enumerate(ends):
        if end == "announced":
            reliability.announced(row)
        elif end == "missed":
            reliability.missed(row)
            missed.append(row)
        else:
            reliability.late(missed[-1] if missed else row)


def after(*ends: str) -> CallbackReliability:
    reliability = CallbackReliability()
    apply(reliability, list(ends))
    return reliability


@given(ENDS, INTERVAL, LONGEST, CHANCE)
def test_no_wait_is_shorter_than_without_callbacks_nor_beyond_the_maximum(
    ends: list[str], interval: float, longest: float, chance: float
) -> None:
    assert interval <= after(*ends).wait(interval, longest, chance, 0.0) <= STRETCH * longest


@given(ENDS, INTERVAL, LONGEST, CHANCE)
def test_what_a_poll_finds_never_lengthens_a_wait(
    ends: list[str], interval: float, longest: float, chance: float
) -> None:
    reliability = after(*ends)
    before = reliability.wait(interval, longest, chance, 0.0)
    reliability.missed(-1)
    assert reliability.wait(interval, longest, chance, 0.0) <= before


@given(ENDS, INTERVAL, LONGEST, CHANCE)
def test_two_missed_ends_are_enough_to_poll_as_if_there_were_no_callbacks(
    ends: list[str], interval: float, longest: float, chance: float
) -> None:
    assert MAX_MISSED == 1
    assert after(*ends, "missed", "missed").wait(interval, longest, chance, 0.0) == interval


@given(ENDS)
def test_callbacks_can_always_become_trusted_again(ends: list[str]) -> None:
    reliability = after(*ends)
    apply(reliability, ["announced"] * MAX_PROOF)
    assert reliability.level is Reliability.TRUSTED


@given(ENDS, INTERVAL, LONGEST, st.floats(0, 0.49), st.floats(0.5, 0.99))
def test_stretched_waits_are_spread(ends: list[str], interval: float, longest: float, low: float, high: float) -> None:
    reliability = after(*ends)
    if reliability.level is not Reliability.DISTRUSTED and interval < 0.9 * longest:
        assert reliability.wait(interval, longest, low, 0.0) < reliability.wait(interval, longest, high, 0.0)


def test_on_trial_the_first_poll_is_near_the_longest_interval() -> None:
    assert 27 <= CallbackReliability().wait(1, 30, 0.5, 0.0) <= 30
    assert after("missed").wait(1, 30, 0.5, 0.0) == 1


def test_a_few_callbacks_are_proof_enough_at_first() -> None:
    assert after(*["announced"] * (FIRST_PROOF - 1)).level is Reliability.ON_TRIAL
    trusted = after(*["announced"] * FIRST_PROOF)
    assert trusted.level is Reliability.TRUSTED
    assert 108 <= trusted.wait(1, 30, 0.0, 0.0) <= trusted.wait(1, 30, 0.99, 0.0) <= 120


def test_after_distrust_it_takes_twice_as_many() -> None:
    again = ["announced"] * FIRST_PROOF + ["missed"] * 2
    assert after(*again, *["announced"] * (2 * FIRST_PROOF - 1)).level is Reliability.DISTRUSTED
    assert after(*again, *["announced"] * (2 * FIRST_PROOF)).level is Reliability.TRUSTED


def test_an_occasional_missed_end_is_tolerated() -> None:
    seldom = (["announced"] * WINDOW + ["missed"]) * 10
    assert after(*["announced"] * FIRST_PROOF, *seldom).level is Reliability.TRUSTED


def test_a_callback_that_comes_after_the_poll_counts_as_announced() -> None:
    assert after(*["announced"] * FIRST_PROOF, "missed", "late", "missed").level is Reliability.TRUSTED
    assert after("missed", "late", "announced", "announced").level is Reliability.TRUSTED
    assert after("missed", "announced", "announced").level is Reliability.DISTRUSTED


def test_the_first_runs_and_then_every_hundredth_are_polled_often() -> None:
    assert [number for number in range(300) if is_polled_often(number)] == [0, 1, 2, 100, 200]


def test_a_run_is_overdue_at_twice_the_longest_of_the_last_ones_once_as_many_have_ended_as_are_running() -> None:
    reliability = after(*["announced"] * 10)
    late = reliability.wait(1, 30, 0.5, 3.0)
    assert not reliability.took(2.0, running=3)
    assert not reliability.took(5.0, running=3)
    assert reliability.wait(1, 30, 0.5, 3.0) == late
    assert reliability.took(4.0, running=3)
    assert reliability.overdue_age == 10
    assert reliability.wait(1, 30, 0.5, 3.0) == 7, "it is polled at 10 s"
    assert reliability.wait(1, 30, 0.5, 10.0) == 10, "and then when its age has doubled"
    assert reliability.wait(20, 30, 0.5, 3.0) == 20, "but no earlier than without callbacks"
    assert not reliability.took(6.0, running=30)
    assert reliability.took(25.0, running=30)
