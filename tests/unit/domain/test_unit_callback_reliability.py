"""Trust in callbacks: soon won, sooner lost, and never worth more than it is told to be."""

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.callback_reliability import (
    FORGIVEN,
    MOST_PROOF,
    PROOF,
    STRETCH,
    WINDOW,
    CallbackReliability,
    Reliability,
    polled_closely,
)

ENDS = st.lists(st.sampled_from(["announced", "missed", "late"]), max_size=400)
INTERVAL, LONGEST, CHANCE = st.floats(0, 30), st.floats(30, 1e4), st.floats(0, 1, exclude_max=True)


def tell(trust: CallbackReliability, ends: list[str]) -> None:
    missed: list[int] = []
    for row, end in enumerate(ends):
        if end == "announced":
            trust.announced(row)
        elif end == "missed":
            trust.missed(row)
            missed.append(row)
        else:
            trust.late(missed[-1] if missed else row)


def after(*ends: str) -> CallbackReliability:
    trust = CallbackReliability()
    tell(trust, list(ends))
    return trust


@given(ENDS, INTERVAL, LONGEST, CHANCE)
def test_no_wait_is_shorter_than_without_callbacks_nor_beyond_the_maximum(
    ends: list[str], interval: float, longest: float, chance: float
) -> None:
    assert interval <= after(*ends).wait(interval, longest, chance) <= STRETCH * longest


@given(ENDS, INTERVAL, LONGEST, CHANCE)
def test_what_a_poll_finds_never_lengthens_a_wait(
    ends: list[str], interval: float, longest: float, chance: float
) -> None:
    trust = after(*ends)
    before = trust.wait(interval, longest, chance)
    trust.missed(-1)
    assert trust.wait(interval, longest, chance) <= before


@given(ENDS, INTERVAL, LONGEST, CHANCE)
def test_two_that_are_missed_are_enough_to_poll_as_if_there_were_none(
    ends: list[str], interval: float, longest: float, chance: float
) -> None:
    assert FORGIVEN == 1
    assert after(*ends, "missed", "missed").wait(interval, longest, chance) == interval


@given(ENDS)
def test_trust_can_always_be_won_again(ends: list[str]) -> None:
    trust = after(*ends)
    tell(trust, ["announced"] * MOST_PROOF)
    assert trust.level is Reliability.TRUSTED


@given(ENDS, INTERVAL, LONGEST, st.floats(0, 0.49), st.floats(0.5, 0.99))
def test_stretched_waits_are_spread(ends: list[str], interval: float, longest: float, low: float, high: float) -> None:
    trust = after(*ends)
    if trust.level is not Reliability.DISTRUSTED and interval < 0.9 * longest:
        assert trust.wait(interval, longest, low) < trust.wait(interval, longest, high)


def test_on_trial_the_first_poll_is_near_the_longest_interval() -> None:
    assert 27 <= CallbackReliability().wait(1, 30, 0.5) <= 30
    assert after("missed").wait(1, 30, 0.5) == 1


def test_a_few_callbacks_are_proof_enough_at_first() -> None:
    assert after(*["announced"] * (PROOF - 1)).level is Reliability.ON_TRIAL
    trusted = after(*["announced"] * PROOF)
    assert trusted.level is Reliability.TRUSTED
    assert 108 <= trusted.wait(1, 30, 0.0) <= trusted.wait(1, 30, 0.99) <= 120


def test_once_lost_it_takes_twice_as_many() -> None:
    again = ["announced"] * PROOF + ["missed"] * 2
    assert after(*again, *["announced"] * (2 * PROOF - 1)).level is Reliability.DISTRUSTED
    assert after(*again, *["announced"] * (2 * PROOF)).level is Reliability.TRUSTED


def test_one_that_is_lost_now_and_then_is_forgiven() -> None:
    seldom = (["announced"] * WINDOW + ["missed"]) * 10
    assert after(*["announced"] * PROOF, *seldom).level is Reliability.TRUSTED


def test_a_callback_that_was_only_slower_than_the_poll_makes_good_for_it() -> None:
    assert after(*["announced"] * PROOF, "missed", "late", "missed").level is Reliability.TRUSTED
    assert after("missed", "late", "announced", "announced").level is Reliability.TRUSTED
    assert after("missed", "announced", "announced").level is Reliability.DISTRUSTED


def test_few_runs_are_watched_closely_but_the_first_ones_are() -> None:
    assert [number for number in range(300) if polled_closely(number)] == [0, 1, 2, 100, 200]
