"""Whose fault a refusal is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.answers import Refusal, RefusalKind
from batchrun.domain.fault_attribution import IDENTICAL_REFUSALS, FaultAttribution, Verdict
from batchrun.domain.row import Row
from batchrun.domain.states import State


def submitting(number: int, tries: int = 1) -> Row:
    return Row(number, State.SUBMITTING, attempts=tries, tries=tries, intent_at=1)


def bad(code: str = "BAD", status: int = 400) -> Refusal:
    return Refusal(RefusalKind.ROW, status, code, "no")


BUSY = Refusal(RefusalKind.BUSY, 503, None, "later")


def verdicts(rulings: list[Verdict]) -> list[tuple[int, bool]]:
    return [(ruling.row.row, ruling.charged) for ruling in rulings]


def with_bad(attribution: FaultAttribution, count: int) -> None:
    for number in range(count):
        assert attribution.refused(submitting(number), bad(), sent_at=0, outage=False) == ([], False)


def test_rows_that_are_refused_before_anything_was_accepted_are_held() -> None:
    attribution = FaultAttribution()
    with_bad(attribution, IDENTICAL_REFUSALS - 1)
    assert attribution.held == IDENTICAL_REFUSALS - 1
    assert not attribution.has_accepted


def test_the_first_ten_alike_stop_the_job_and_are_innocent() -> None:
    assert IDENTICAL_REFUSALS == 10
    attribution = FaultAttribution()
    with_bad(attribution, 9)
    rulings, stop = attribution.refused(submitting(9), bad(), sent_at=0, outage=False)
    assert stop
    assert verdicts(rulings) == [(number, False) for number in range(10)]
    assert attribution.held == 0


@pytest.mark.parametrize("other", [bad("OTHER"), bad(status=422)])
@pytest.mark.parametrize("before", [1, 9])
def test_a_refusal_with_another_status_or_code_finds_all_held_guilty(other: Refusal, before: int) -> None:
    attribution = FaultAttribution()
    with_bad(attribution, before)
    rulings, stop = attribution.refused(submitting(99), other, sent_at=0, outage=False)
    assert not stop
    assert verdicts(rulings) == [*((number, True) for number in range(before)), (99, True)]
    assert attribution.held == 0


def test_the_message_makes_no_difference() -> None:
    attribution = FaultAttribution()
    with_bad(attribution, 9)
    _, stop = attribution.refused(
        submitting(9), Refusal(RefusalKind.ROW, 400, "BAD", "other words"), sent_at=0, outage=False
    )
    assert stop


@pytest.mark.parametrize(
    "door",
    [
        lambda attribution: attribution.accepted(submitting(99), 1),
        FaultAttribution.inconclusive,
        FaultAttribution.conclude,
    ],
)
def test_an_acceptance_or_another_answer_or_the_end_finds_the_refused_guilty(door: object) -> None:
    attribution = FaultAttribution()
    with_bad(attribution, 3)
    assert callable(door)
    assert verdicts(door(attribution)) == [(0, True), (1, True), (2, True)]
    assert attribution.held == 0


@pytest.mark.parametrize(
    "door", [lambda attribution: attribution.accepted(submitting(99), 1), FaultAttribution.inconclusive]
)
def test_after_it_was_shown_that_not_all_are_alike_each_is_guilty_at_once(door: object) -> None:
    attribution = FaultAttribution()
    assert callable(door)
    assert door(attribution) == []
    for number in range(2 * IDENTICAL_REFUSALS):
        rulings, stop = attribution.refused(submitting(number), bad(), sent_at=0, outage=False)
        assert (verdicts(rulings), stop) == ([(number, True)], False)
    assert attribution.held == 0


def test_an_acceptance_opens_and_another_answer_does_not() -> None:
    attribution = FaultAttribution()
    attribution.inconclusive()
    assert not attribution.has_accepted
    attribution.accepted(submitting(99), 1)
    assert attribution.has_accepted


def test_an_outage_says_nothing_of_rows_that_were_refused_for_good() -> None:
    attribution = FaultAttribution()
    with_bad(attribution, 2)
    assert attribution.outage() == []
    assert attribution.held == 2


def test_busy_rows_are_held_until_the_next_acceptance_finds_them_guilty() -> None:
    attribution = FaultAttribution()
    for number in range(3):
        assert attribution.refused(submitting(number), BUSY, sent_at=0, outage=False) == ([], False)
    assert attribution.held == 3
    assert attribution.inconclusive() == []
    assert verdicts(attribution.accepted(submitting(99), 1)) == [(0, True), (1, True), (2, True)]


def test_busy_rows_are_held_after_an_acceptance_too() -> None:
    attribution = FaultAttribution()
    attribution.accepted(submitting(99), 1)
    assert attribution.refused(submitting(1), BUSY, sent_at=0, outage=False) == ([], False)
    assert attribution.held == 1


def test_an_outage_acquits_the_busy() -> None:
    attribution = FaultAttribution()
    for number in range(3):
        attribution.refused(submitting(number), BUSY, sent_at=0, outage=False)
    assert verdicts(attribution.outage()) == [(0, False), (1, False), (2, False)]
    assert attribution.held == 0


def test_the_row_whose_refusal_shows_the_outage_is_acquitted_with_the_others() -> None:
    attribution = FaultAttribution()
    attribution.refused(submitting(1), BUSY, sent_at=0, outage=False)
    rulings, stop = attribution.refused(submitting(2, tries=3), BUSY, sent_at=0, outage=True)
    assert (verdicts(rulings), stop) == ([(1, False), (2, False)], False)


def test_a_row_found_guilty_before_bears_no_witness_again() -> None:
    attribution = FaultAttribution()
    attribution.refused(submitting(1), BUSY, sent_at=0, outage=False)
    attribution.accepted(submitting(99), 1)
    rulings, stop = attribution.refused(submitting(1, tries=2), BUSY, sent_at=0, outage=False)
    assert (verdicts(rulings), stop, attribution.held) == ([(1, True)], False, 0)


def test_a_row_that_was_acquitted_is_not_believed_twice_while_others_are_taken() -> None:
    attribution = FaultAttribution()
    attribution.refused(submitting(1), BUSY, sent_at=0, outage=True)
    assert attribution.may_signal_outage(submitting(1))
    attribution.accepted(submitting(99), 1)
    assert not attribution.may_signal_outage(submitting(1))
    rulings, _ = attribution.refused(submitting(1), BUSY, sent_at=0, outage=False)
    assert verdicts(rulings) == [(1, True)]


def test_what_was_sent_before_a_refusal_bears_no_witness_of_it() -> None:
    attribution = FaultAttribution()
    attribution.refused(submitting(1), BUSY, sent_at=5, outage=False)
    attribution.refused(submitting(2), BUSY, sent_at=7, outage=False)
    assert attribution.accepted(submitting(99), 4) == []
    assert verdicts(attribution.accepted(submitting(99), 6)) == [(1, True)]
    assert verdicts(attribution.outage()) == [(2, False)]
    attribution.accepted(submitting(99), 3)
    assert attribution.may_signal_outage(submitting(2)), "nothing that was sent since was accepted"
    attribution.accepted(submitting(99), 8)
    assert not attribution.may_signal_outage(submitting(2))


def test_many_busy_rows_never_stop_the_job_as_alike() -> None:
    attribution = FaultAttribution()
    for number in range(3 * IDENTICAL_REFUSALS):
        assert not attribution.refused(submitting(number), BUSY, sent_at=0, outage=False)[1]


def test_when_nothing_is_left_that_could_testify_all_held_are_guilty() -> None:
    attribution = FaultAttribution()
    with_bad(attribution, 2)
    attribution.refused(submitting(5), BUSY, sent_at=0, outage=False)
    assert verdicts(attribution.conclude()) == [(0, True), (1, True), (5, True)]
    assert attribution.conclude() == []


def test_a_ruling_brings_the_row_and_its_refusal_back() -> None:
    attribution = FaultAttribution()
    attribution.refused(submitting(4), BUSY, sent_at=0, outage=False)
    assert attribution.accepted(submitting(99), 1) == [Verdict(submitting(4), BUSY, charged=True)]


ACTS = st.lists(st.sampled_from(["bad", "other", "busy", "outage busy", "accepted", "unproven", "outage"]), max_size=60)


@given(ACTS)
def test_every_row_gets_exactly_one_verdict_and_only_a_handful_ever_wait(acts: list[str]) -> None:
    attribution, heard, judged = FaultAttribution(), 0, list[int]()
    for sent_at, act in enumerate(acts):
        rulings: list[Verdict] = []
        match act:
            case "accepted":
                rulings = attribution.accepted(submitting(99), sent_at)
            case "unproven":
                rulings = attribution.inconclusive()
            case "outage":
                rulings = attribution.outage()
            case _:
                refusal = {"bad": bad(), "other": bad("OTHER")}.get(act, BUSY)
                rulings, stop = attribution.refused(submitting(heard), refusal, sent_at, outage=act == "outage busy")
                heard += 1
                if stop:
                    assert not attribution.has_accepted
                    assert len(rulings) == IDENTICAL_REFUSALS
        judged += [ruling.row.row for ruling in rulings]
        assert attribution.held == heard - len(judged)
    judged += [ruling.row.row for ruling in attribution.conclude()]
    assert sorted(judged) == list(range(heard))
