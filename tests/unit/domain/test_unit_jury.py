"""Whose fault a refusal is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.answers import Refusal, RefusalKind
from batchrun.domain.jury import ALIKE, Jury, Ruling
from batchrun.domain.row import Row
from batchrun.domain.states import State


def submitting(number: int, tries: int = 1) -> Row:
    return Row(number, State.SUBMITTING, attempts=tries, tries=tries, intent_at=1)


def bad(code: str = "BAD", status: int = 400) -> Refusal:
    return Refusal(RefusalKind.ROW, status, code, "no")


BUSY = Refusal(RefusalKind.BUSY, 503, None, "later")


def verdicts(rulings: list[Ruling]) -> list[tuple[int, bool]]:
    return [(ruling.row.row, ruling.guilty) for ruling in rulings]


def with_bad(jury: Jury, count: int) -> None:
    for number in range(count):
        assert jury.refused(submitting(number), bad(), sent_at=0, outage=False) == ([], False)


def test_rows_that_are_refused_before_anything_was_accepted_are_held() -> None:
    jury = Jury()
    with_bad(jury, ALIKE - 1)
    assert jury.holding == ALIKE - 1
    assert not jury.opened


def test_the_first_ten_alike_stop_the_job_and_are_innocent() -> None:
    assert ALIKE == 10
    jury = Jury()
    with_bad(jury, 9)
    rulings, stop = jury.refused(submitting(9), bad(), sent_at=0, outage=False)
    assert stop
    assert verdicts(rulings) == [(number, False) for number in range(10)]
    assert jury.holding == 0


@pytest.mark.parametrize("other", [bad("OTHER"), bad(status=422)])
@pytest.mark.parametrize("before", [1, 9])
def test_a_refusal_with_another_status_or_code_finds_all_held_guilty(other: Refusal, before: int) -> None:
    jury = Jury()
    with_bad(jury, before)
    rulings, stop = jury.refused(submitting(99), other, sent_at=0, outage=False)
    assert not stop
    assert verdicts(rulings) == [*((number, True) for number in range(before)), (99, True)]
    assert jury.holding == 0


def test_the_message_makes_no_difference() -> None:
    jury = Jury()
    with_bad(jury, 9)
    _, stop = jury.refused(submitting(9), Refusal(RefusalKind.ROW, 400, "BAD", "other words"), sent_at=0, outage=False)
    assert stop


@pytest.mark.parametrize("door", [lambda jury: jury.accepted(submitting(99), 1), Jury.unproven, Jury.nothing_left])
def test_an_acceptance_or_another_answer_or_the_end_finds_the_refused_guilty(door: object) -> None:
    jury = Jury()
    with_bad(jury, 3)
    assert callable(door)
    assert verdicts(door(jury)) == [(0, True), (1, True), (2, True)]
    assert jury.holding == 0


@pytest.mark.parametrize("door", [lambda jury: jury.accepted(submitting(99), 1), Jury.unproven])
def test_after_it_was_shown_that_not_all_are_alike_each_is_guilty_at_once(door: object) -> None:
    jury = Jury()
    assert callable(door)
    assert door(jury) == []
    for number in range(2 * ALIKE):
        rulings, stop = jury.refused(submitting(number), bad(), sent_at=0, outage=False)
        assert (verdicts(rulings), stop) == ([(number, True)], False)
    assert jury.holding == 0


def test_an_acceptance_opens_and_another_answer_does_not() -> None:
    jury = Jury()
    jury.unproven()
    assert not jury.opened
    jury.accepted(submitting(99), 1)
    assert jury.opened


def test_an_outage_says_nothing_of_rows_that_were_refused_for_good() -> None:
    jury = Jury()
    with_bad(jury, 2)
    assert jury.outage() == []
    assert jury.holding == 2


def test_busy_rows_are_held_until_the_next_acceptance_finds_them_guilty() -> None:
    jury = Jury()
    for number in range(3):
        assert jury.refused(submitting(number), BUSY, sent_at=0, outage=False) == ([], False)
    assert jury.holding == 3
    assert jury.unproven() == []
    assert verdicts(jury.accepted(submitting(99), 1)) == [(0, True), (1, True), (2, True)]


def test_busy_rows_are_held_after_an_acceptance_too() -> None:
    jury = Jury()
    jury.accepted(submitting(99), 1)
    assert jury.refused(submitting(1), BUSY, sent_at=0, outage=False) == ([], False)
    assert jury.holding == 1


def test_an_outage_acquits_the_busy() -> None:
    jury = Jury()
    for number in range(3):
        jury.refused(submitting(number), BUSY, sent_at=0, outage=False)
    assert verdicts(jury.outage()) == [(0, False), (1, False), (2, False)]
    assert jury.holding == 0


def test_the_row_whose_refusal_shows_the_outage_is_acquitted_with_the_others() -> None:
    jury = Jury()
    jury.refused(submitting(1), BUSY, sent_at=0, outage=False)
    rulings, stop = jury.refused(submitting(2, tries=3), BUSY, sent_at=0, outage=True)
    assert (verdicts(rulings), stop) == ([(1, False), (2, False)], False)


def test_a_row_found_guilty_before_bears_no_witness_again() -> None:
    jury = Jury()
    jury.refused(submitting(1), BUSY, sent_at=0, outage=False)
    jury.accepted(submitting(99), 1)
    rulings, stop = jury.refused(submitting(1, tries=2), BUSY, sent_at=0, outage=False)
    assert (verdicts(rulings), stop, jury.holding) == ([(1, True)], False, 0)


def test_a_row_that_was_acquitted_is_not_believed_twice_while_others_are_taken() -> None:
    jury = Jury()
    jury.refused(submitting(1), BUSY, sent_at=0, outage=True)
    assert jury.trusts(submitting(1))
    jury.accepted(submitting(99), 1)
    assert not jury.trusts(submitting(1))
    rulings, _ = jury.refused(submitting(1), BUSY, sent_at=0, outage=False)
    assert verdicts(rulings) == [(1, True)]


def test_what_was_sent_before_a_refusal_bears_no_witness_of_it() -> None:
    jury = Jury()
    jury.refused(submitting(1), BUSY, sent_at=5, outage=False)
    jury.refused(submitting(2), BUSY, sent_at=7, outage=False)
    assert jury.accepted(submitting(99), 4) == []
    assert verdicts(jury.accepted(submitting(99), 6)) == [(1, True)]
    assert verdicts(jury.outage()) == [(2, False)]
    jury.accepted(submitting(99), 3)
    assert jury.trusts(submitting(2)), "nothing that was sent since was accepted"
    jury.accepted(submitting(99), 8)
    assert not jury.trusts(submitting(2))


def test_many_busy_rows_never_stop_the_job_as_alike() -> None:
    jury = Jury()
    for number in range(3 * ALIKE):
        assert not jury.refused(submitting(number), BUSY, sent_at=0, outage=False)[1]


def test_when_nothing_is_left_that_could_testify_all_held_are_guilty() -> None:
    jury = Jury()
    with_bad(jury, 2)
    jury.refused(submitting(5), BUSY, sent_at=0, outage=False)
    assert verdicts(jury.nothing_left()) == [(0, True), (1, True), (5, True)]
    assert jury.nothing_left() == []


def test_a_ruling_brings_the_row_and_its_refusal_back() -> None:
    jury = Jury()
    jury.refused(submitting(4), BUSY, sent_at=0, outage=False)
    assert jury.accepted(submitting(99), 1) == [Ruling(submitting(4), BUSY, guilty=True)]


ACTS = st.lists(st.sampled_from(["bad", "other", "busy", "outage busy", "accepted", "unproven", "outage"]), max_size=60)


@given(ACTS)
def test_every_row_gets_exactly_one_verdict_and_only_a_handful_ever_wait(acts: list[str]) -> None:
    jury, heard, judged = Jury(), 0, list[int]()
    for sent_at, act in enumerate(acts):
        rulings: list[Ruling] = []
        match act:
            case "accepted":
                rulings = jury.accepted(submitting(99), sent_at)
            case "unproven":
                rulings = jury.unproven()
            case "outage":
                rulings = jury.outage()
            case _:
                refusal = {"bad": bad(), "other": bad("OTHER")}.get(act, BUSY)
                rulings, stop = jury.refused(submitting(heard), refusal, sent_at, outage=act == "outage busy")
                heard += 1
                if stop:
                    assert not jury.opened
                    assert len(rulings) == ALIKE
        judged += [ruling.row.row for ruling in rulings]
        assert jury.holding == heard - len(judged)
    judged += [ruling.row.row for ruling in jury.nothing_left()]
    assert sorted(judged) == list(range(heard))
