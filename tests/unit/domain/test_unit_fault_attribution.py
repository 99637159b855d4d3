"""Refused rows are charged or excused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.answers import Refusal, RefusalKind
from batchrun.domain.fault_attribution import IDENTICAL_REFUSALS, FaultAttribution, Verdict
from batchrun.domain.row import Row
from batchrun.domain.states import State


def submitting(number: int, tries: int = 1) -> Row:
    return Row(number, State.SUBMITTING, attempts=tries, tries=tries, intent_at=1)


def rejected(code: str = "BAD", status: int = 400) -> Refusal:
    return Refusal(RefusalKind.ROW, status, code, "no")


BUSY = Refusal(RefusalKind.BUSY, 503, None, "later")


def verdicts(found: list[Verdict]) -> list[tuple[int, bool]]:
    return [(verdict.row.row, verdict.charged) for verdict in found]


def with_rejected(attribution: FaultAttribution, count: int) -> None:
    for number in range(count):
        assert attribution.refused(submitting(number), rejected(), sent_at=0, outage=False) == ([], False)


def test_rows_refused_before_the_first_acceptance_are_held() -> None:
    attribution = FaultAttribution()
    with_rejected(attribution, IDENTICAL_REFUSALS - 1)
    assert attribution.held == IDENTICAL_REFUSALS - 1
    assert not attribution.has_accepted


def test_ten_identical_first_refusals_stop_the_job_and_are_excused() -> None:
    assert IDENTICAL_REFUSALS == 10
    attribution = FaultAttribution()
    with_rejected(attribution, 9)
    found, stop = attribution.refused(submitting(9), rejected(), sent_at=0, outage=False)
    assert stop
    assert verdicts(found) == [(number, False) for number in range(10)]
    assert attribution.held == 0


@pytest.mark.parametrize("other", [rejected("OTHER"), rejected(status=422)])
@pytest.mark.parametrize("before", [1, 9])
def test_a_refusal_with_another_status_or_code_charges_all_held_rows(other: Refusal, before: int) -> None:
    attribution = FaultAttribution()
    with_rejected(attribution, before)
    found, stop = attribution.refused(submitting(99), other, sent_at=0, outage=False)
    assert not stop
    assert verdicts(found) == [*((number, True) for number in range(before)), (99, True)]
    assert attribution.held == 0


def test_the_message_makes_no_difference() -> None:
    attribution = FaultAttribution()
    with_rejected(attribution, 9)
    _, stop = attribution.refused(
        submitting(9), Refusal(RefusalKind.ROW, 400, "BAD", "other words"), sent_at=0, outage=False
    )
    assert stop


@pytest.mark.parametrize(
    "release",
    [
        lambda attribution: attribution.accepted(submitting(99), 1),
        FaultAttribution.inconclusive,
        FaultAttribution.conclude,
    ],
)
def test_an_acceptance_or_another_answer_or_the_end_charges_the_held_rows(release: object) -> None:
    attribution = FaultAttribution()
    with_rejected(attribution, 3)
    assert callable(release)
    assert verdicts(release(attribution)) == [(0, True), (1, True), (2, True)]
    assert attribution.held == 0


@pytest.mark.parametrize(
    "release", [lambda attribution: attribution.accepted(submitting(99), 1), FaultAttribution.inconclusive]
)
def test_once_refusals_are_not_identical_each_row_is_charged_at_once(release: object) -> None:
    attribution = FaultAttribution()
    assert callable(release)
    assert release(attribution) == []
    for number in range(2 * IDENTICAL_REFUSALS):
        found, stop = attribution.refused(submitting(number), rejected(), sent_at=0, outage=False)
        assert (verdicts(found), stop) == ([(number, True)], False)
    assert attribution.held == 0


def test_only_an_acceptance_counts_as_accepted() -> None:
    attribution = FaultAttribution()
    attribution.inconclusive()
    assert not attribution.has_accepted
    attribution.accepted(submitting(99), 1)
    assert attribution.has_accepted


def test_an_outage_releases_no_rows_that_were_refused_for_good() -> None:
    attribution = FaultAttribution()
    with_rejected(attribution, 2)
    assert attribution.outage() == []
    assert attribution.held == 2


def test_busy_rows_are_held_until_the_next_acceptance_charges_them() -> None:
    attribution = FaultAttribution()
    for number in range(3):
        assert attribution.refused(submitting(number), BUSY, sent_at=0, outage=False) == ([], False)
    assert attribution.held == 3
    assert attribution.inconclusive() == []
    assert verdicts(attribution.accepted(submitting(99), 1)) == [(0, True), (1, True), (2, True)]


def test_busy_rows_are_also_held_after_an_acceptance() -> None:
    attribution = FaultAttribution()
    attribution.accepted(submitting(99), 1)
    assert attribution.refused(submitting(1), BUSY, sent_at=0, outage=False) == ([], False)
    assert attribution.held == 1


def test_an_outage_excuses_busy_rows() -> None:
    attribution = FaultAttribution()
    for number in range(3):
        attribution.refused(submitting(number), BUSY, sent_at=0, outage=False)
    assert verdicts(attribution.outage()) == [(0, False), (1, False), (2, False)]
    assert attribution.held == 0


def test_the_row_whose_refusal_opens_the_circuit_is_excused_with_the_others() -> None:
    attribution = FaultAttribution()
    attribution.refused(submitting(1), BUSY, sent_at=0, outage=False)
    found, stop = attribution.refused(submitting(2, tries=3), BUSY, sent_at=0, outage=True)
    assert (verdicts(found), stop) == ([(1, False), (2, False)], False)


def test_a_row_that_was_charged_is_charged_at_once_when_refused_again() -> None:
    attribution = FaultAttribution()
    attribution.refused(submitting(1), BUSY, sent_at=0, outage=False)
    attribution.accepted(submitting(99), 1)
    found, stop = attribution.refused(submitting(1, tries=2), BUSY, sent_at=0, outage=False)
    assert (verdicts(found), stop, attribution.held) == ([(1, True)], False, 0)


def test_an_excused_row_is_charged_when_refused_again_while_others_are_accepted() -> None:
    attribution = FaultAttribution()
    attribution.refused(submitting(1), BUSY, sent_at=0, outage=True)
    assert attribution.may_signal_outage(submitting(1))
    attribution.accepted(submitting(99), 1)
    assert not attribution.may_signal_outage(submitting(1))
    found, _ = attribution.refused(submitting(1), BUSY, sent_at=0, outage=False)
    assert verdicts(found) == [(1, True)]


def test_rows_sent_before_a_refused_row_are_no_evidence_about_it() -> None:
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


def test_many_busy_rows_never_stop_the_job_as_identical_refusals() -> None:
    attribution = FaultAttribution()
    for number in range(3 * IDENTICAL_REFUSALS):
        assert not attribution.refused(submitting(number), BUSY, sent_at=0, outage=False)[1]


def test_without_further_evidence_all_held_rows_are_charged() -> None:
    attribution = FaultAttribution()
    with_rejected(attribution, 2)
    attribution.refused(submitting(5), BUSY, sent_at=0, outage=False)
    assert verdicts(attribution.conclude()) == [(0, True), (1, True), (5, True)]
    assert attribution.conclude() == []


def test_a_verdict_contains_the_row_and_its_refusal() -> None:
    attribution = FaultAttribution()
    attribution.refused(submitting(4), BUSY, sent_at=0, outage=False)
    assert attribution.accepted(submitting(99), 1) == [Verdict(submitting(4), BUSY, charged=True)]


ACTS = st.lists(
    st.sampled_from(["rejected", "other", "busy", "outage busy", "accepted", "inconclusive", "outage"]), max_size=60
)


@given(ACTS)
def test_every_row_gets_exactly_one_verdict(acts: list[str]) -> None:
    attribution, refused_rows, judged = FaultAttribution(), 0, list[int]()
    for sent_at, act in enumerate(acts):
        found: list[Verdict] = []
        match act:
            case "accepted":
                found = attribution.accepted(submitting(99), sent_at)
            case "inconclusive":
                found = attribution.inconclusive()
            case "outage":
                found = attribution.outage()
            case _:
                refusal = {"rejected": rejected(), "other": rejected("OTHER")}.get(act, BUSY)
                found, stop = attribution.refused(
                    submitting(refused_rows), refusal, sent_at, outage=act == "outage busy"
                )
                refused_rows += 1
                if stop:
                    assert not attribution.has_accepted
                    assert len(found) == IDENTICAL_REFUSALS
        judged += [verdict.row.row for verdict in found]
        assert attribution.held == refused_rows - len(judged)
    judged += [verdict.row.row for verdict in attribution.conclude()]
    assert sorted(judged) == list(range(refused_rows))
