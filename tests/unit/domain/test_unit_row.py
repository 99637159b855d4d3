"""What an event changes in the record of a row, besides its state."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from batchrun.domain.answers import RunDetails
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import (
    Accepted,
    CannotBeSent,
    Deadline,
    FoundAfterRestart,
    Gone,
    Refunded,
    RefusedForGood,
    RefusedForNow,
    Reused,
    RowEvent,
    RunCompleted,
    RunFailed,
    Settled,
    StillRunning,
    SubmitStarted,
    Unconfirmed,
)
from batchrun.domain.frozen import copied
from batchrun.domain.row import Row, decide
from batchrun.domain.run_details import MAX_TOKENS
from batchrun.domain.states import State

PROBLEM = Problem(ErrorKind.RUN_FAILED, "why", "CODE", 500)
DOUBT = Problem(ErrorKind.IN_DOUBT, "nothing came")


def changed(before: Row, after: Row) -> set[str]:
    return {field.name for field in fields(Row) if getattr(before, field.name) != getattr(after, field.name)}


def after_events(*events: RowEvent, row: Row | None = None) -> Row:
    row = row or Row(7)
    for event in events:
        row = decide(row, event)
    return row


ACCEPTED = (SubmitStarted(1), Accepted("r1", "pending", 2, 3, 4))


def test_a_row_from_submission_to_completion() -> None:
    row = after_events(*ACCEPTED, StillRunning("running", 5, 6), RunCompleted("completed", "{}", 9, None, 8))
    assert row == Row(
        7,
        State.COMPLETED,
        attempts=1,
        tries=1,
        polls=2,
        run_polls=2,
        run_id="r1",
        status="completed",
        intent_at=1,
        submitted_at=2,
        accepted_at=3,
        finished_at=9,
        created_at=5,
        updated_at=8,
    )


def test_a_new_attempt_clears_the_previous_run_and_keeps_the_totals() -> None:
    ended = after_events(*ACCEPTED, StillRunning("running"), RunFailed("failed", PROBLEM, 9, resubmit_at=20))
    assert (ended.state, ended.not_before, ended.problem) == (State.QUEUED, 20, PROBLEM)
    again = decide(ended, SubmitStarted(21))
    assert (again.attempts, again.tries, again.polls, again.run_polls) == (2, 2, 2, 0)
    assert again.intent_at == 21
    gone = ("run_id", "status", "submitted_at", "accepted_at", "created_at", "updated_at", "problem", "not_before")
    assert {name: getattr(again, name) for name in gone} == dict.fromkeys(gone)


def test_a_refusal_costs_an_attempt_and_says_when_to_try_again() -> None:
    started = after_events(SubmitStarted(1))
    refused = decide(started, RefusedForNow(PROBLEM, 2, 30))
    assert changed(started, refused) == {"state", "problem", "submitted_at", "not_before"}
    assert (refused.attempts, refused.tries, refused.not_before) == (1, 1, 30)


@pytest.mark.parametrize("late", [False, True])
def test_what_is_not_the_rows_fault_is_refunded(late: bool) -> None:
    row = after_events(SubmitStarted(1), *([RefusedForNow(PROBLEM, 2, 30)] if late else []))
    back = decide(row, Refunded(40))
    assert (back.state, back.attempts, back.tries, back.not_before, back.problem) == (State.QUEUED, 0, 0, 40, None)


def test_a_late_verdict_may_also_charge_the_row() -> None:
    row = after_events(SubmitStarted(1), RefusedForNow(PROBLEM, 2, 30), RefusedForGood(PROBLEM, 31))
    assert (row.state, row.attempts, row.finished_at, row.problem) == (State.FAILED, 1, 31, PROBLEM)


def test_doubt_keeps_the_attempt_and_a_run_that_turns_up_ends_it() -> None:
    row = after_events(SubmitStarted(1), Unconfirmed(DOUBT, 2))
    assert (row.state, row.attempts, row.problem, row.run_id) == (State.IN_DOUBT, 1, DOUBT, None)
    found = decide(row, Accepted("r1", "running", 2, 9))
    assert (found.state, found.run_id, found.problem, found.accepted_at) == (State.RUNNING, "r1", None, 9)


def test_an_inconclusive_poll_keeps_the_last_status() -> None:
    row = after_events(*ACCEPTED, StillRunning("running", 5, 6), StillRunning(None))
    assert (row.status, row.created_at, row.updated_at, row.polls) == ("running", 5, 6, 2)


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (Deadline(PROBLEM, 9), State.TIMED_OUT),
        (Gone(PROBLEM, 9), State.FAILED),
        (RunFailed("failed", PROBLEM, 9), State.FAILED),
    ],
)
def test_an_end_with_an_error_has_a_time_and_a_problem_and_counts_its_poll(event: RowEvent, state: State) -> None:
    row = after_events(*ACCEPTED, event)
    assert (row.state, row.finished_at, row.problem, row.polls, row.run_polls) == (state, 9, PROBLEM, 1, 1)
    assert row.run_id == "r1"


def test_a_timed_out_run_may_still_complete_and_then_has_no_problem() -> None:
    row = after_events(*ACCEPTED, Deadline(PROBLEM, 9), RunCompleted("completed", None, 12))
    assert (row.state, row.finished_at, row.problem) == (State.COMPLETED, 12, None)


@pytest.mark.parametrize("again", [RunCompleted("Done", "1", 99, 98, 97), RunFailed("failed", PROBLEM, 99, 98, 97, 96)])
@pytest.mark.parametrize("end", [RunCompleted("completed", "{}", 9), RunFailed("failed", PROBLEM, 9), Gone(PROBLEM, 9)])
def test_a_second_ending_is_counted_and_changes_nothing(end: RowEvent, again: RowEvent) -> None:
    row = after_events(*ACCEPTED, end)
    assert decide(row, again) == copied(row, polls=2, run_polls=2)


def test_a_row_that_cannot_be_sent_has_no_attempt() -> None:
    row = after_events(CannotBeSent(PROBLEM, 5))
    assert row == Row(7, State.FAILED, finished_at=5, problem=PROBLEM)


def test_a_restart_changes_only_a_row_that_was_being_sent() -> None:
    found = after_events(SubmitStarted(1), FoundAfterRestart(DOUBT, 50))
    assert (found.state, found.problem, found.intent_at, found.attempts) == (State.IN_DOUBT, DOUBT, 1, 1)
    for row in (Row(7), found, after_events(*ACCEPTED), after_events(*ACCEPTED, Deadline(PROBLEM, 9))):
        assert decide(row, FoundAfterRestart(PROBLEM, 60)) is row


@pytest.mark.parametrize(("renewed", "tries"), [(True, 0), (False, 1)])
def test_a_row_that_the_user_queues_again_has_a_new_budget_if_renewed(renewed: bool, tries: int) -> None:
    ended = after_events(*ACCEPTED, RunFailed("failed", PROBLEM, 9))
    row = decide(ended, Settled(State.QUEUED, 10, renewed=renewed, not_before=11))
    assert (row.state, row.tries, row.attempts, row.not_before) == (State.QUEUED, tries, 1, 11)
    assert row.finished_at is None


@pytest.mark.parametrize(("problem", "kept"), [(None, DOUBT), (PROBLEM, PROBLEM)])
def test_a_row_in_doubt_that_the_user_fails_says_why(problem: Problem | None, kept: Problem) -> None:
    row = after_events(SubmitStarted(1), Unconfirmed(DOUBT, 2), Settled(State.FAILED, 10, problem))
    assert (row.state, row.finished_at, row.problem) == (State.FAILED, 10, kept)


def test_the_answer_of_a_post_may_be_the_end_and_no_poll_is_counted() -> None:
    failed = RunFailed("failed", PROBLEM, 9, resubmit_at=20)
    started = after_events(*ACCEPTED, StillRunning("running"), failed, SubmitStarted(21))
    done = decide(started, RunCompleted("completed", "{}", 40, 30, 39, run_id="r2", submitted_at=22))
    assert (done.state, done.attempts, done.polls, done.run_polls) == (State.COMPLETED, 2, 2, 0)
    assert (done.run_id, done.submitted_at, done.accepted_at, done.finished_at) == ("r2", 22, None, 40)
    assert (done.created_at, done.updated_at, done.problem) == (30, 39, None)
    bad = decide(started, RunFailed("failed", PROBLEM, 40, run_id=None, submitted_at=22, resubmit_at=50))
    assert (bad.state, bad.run_id, bad.not_before, bad.polls) == (State.QUEUED, None, 50, 2)


@pytest.mark.parametrize("end", [RunCompleted("completed", "{}", 9), RunFailed("failed", PROBLEM, 9)])
def test_a_poll_changes_neither_the_run_nor_when_it_was_submitted(end: RunCompleted | RunFailed) -> None:
    row = after_events(*ACCEPTED, copied(end, run_id="other", submitted_at=99))
    assert (row.run_id, row.submitted_at, row.polls) == ("r1", 2, 1)


# -- details

LOG = RunDetails("log 1", "https://debug/1")
USAGE = RunDetails("log 2", None, 10, 5, 15)


def reporting(event: RowEvent, details: RunDetails | None) -> RowEvent:
    return copied(event, details=details)


def test_a_detail_that_is_reported_later_replaces_the_earlier_value() -> None:
    row = after_events(SubmitStarted(1), reporting(ACCEPTED[1], LOG))
    assert row.details == LOG
    row = after_events(reporting(StillRunning("running"), USAGE), StillRunning("running"), row=row)
    assert row.details == RunDetails("log 2", "https://debug/1", 10, 5, 15)
    end = RunCompleted("completed", "{}", 9, details=RunDetails(None, "https://debug/2", None, 0, 16))
    assert decide(row, end).details == RunDetails("log 2", "https://debug/2", 10, 0, 16)


@pytest.mark.parametrize(
    "event",
    [RunFailed("failed", PROBLEM, 9), Gone(PROBLEM, 9), Deadline(PROBLEM, 9), RunCompleted("completed", "{}", 9)],
)
def test_every_end_may_report_details(event: RowEvent) -> None:
    assert after_events(*ACCEPTED, reporting(event, USAGE)).details == USAGE
    assert after_events(SubmitStarted(1), reporting(ACCEPTED[1], LOG), event).details == LOG


def test_details_of_a_refusal_are_kept_when_the_row_fails() -> None:
    row = after_events(SubmitStarted(1), RefusedForNow(PROBLEM, 2, 30, LOG), RefusedForGood(PROBLEM, 31))
    assert (row.state, row.details) == (State.FAILED, LOG)


@pytest.mark.parametrize("details", [None, RunDetails()])
def test_answers_without_details_leave_the_row_without_details(details: RunDetails | None) -> None:
    row = after_events(
        SubmitStarted(1), reporting(ACCEPTED[1], details), reporting(RunCompleted("completed", "{}", 9), details)
    )
    assert row.details is None


def test_a_new_attempt_has_empty_details_if_an_earlier_one_had_some() -> None:
    ended = after_events(SubmitStarted(1), reporting(ACCEPTED[1], LOG), Gone(PROBLEM, 9), Settled(State.QUEUED, 10))
    assert decide(ended, SubmitStarted(21)).details == RunDetails()
    assert decide(ended, Reused("r", "completed", "{}", "/jobs/last", b"k")).details == RunDetails()
    reused = decide(ended, Reused("r", "completed", "{}", "/jobs/last", b"k", details=RunDetails(debug_url="u")))
    assert reused.details == RunDetails(debug_url="u")


@pytest.mark.parametrize("count", [-1, MAX_TOKENS + 1, 2**63, 10**30])
def test_an_impossible_count_is_ignored(count: int) -> None:
    end = RunCompleted("completed", "{}", 9, details=RunDetails(input_tokens=count, output_tokens=0))
    assert after_events(*ACCEPTED, end).details == RunDetails(output_tokens=0)


ANY_EVENT = st.one_of(
    st.builds(CannotBeSent, st.just(PROBLEM), st.integers(0, 9)),
    st.builds(SubmitStarted, st.integers(0, 9)),
    st.builds(Accepted, st.text("ab", min_size=1), st.just("pending"), st.integers(0, 9), st.integers(0, 9)),
    st.builds(RefusedForNow, st.just(PROBLEM), st.integers(0, 9), st.integers(0, 9)),
    st.builds(Unconfirmed, st.just(DOUBT), st.integers(0, 9)),
    st.builds(RunCompleted, st.just("completed"), st.none(), st.integers(0, 9)),
    st.builds(RunFailed, st.just("failed"), st.just(PROBLEM), st.integers(0, 9), resubmit_at=st.none() | st.just(9)),
    st.builds(StillRunning, st.none() | st.just("running")),
    st.builds(Gone, st.just(PROBLEM), st.integers(0, 9)),
    st.builds(Deadline, st.just(PROBLEM), st.integers(0, 9)),
    st.builds(FoundAfterRestart, st.just(DOUBT), st.integers(0, 9)),
    st.builds(Settled, st.sampled_from([State.QUEUED, State.FAILED]), st.integers(0, 9)),
)


@given(st.lists(ANY_EVENT, max_size=40))
def test_after_any_events_the_counts_never_decrease_and_a_run_id_is_there_where_needed(events: list[RowEvent]) -> None:
    row = Row(7)
    for event in events:
        try:
            after = decide(row, event)
        except Exception:  # noqa: BLE001 - which events are legal is another test's business
            continue
        assert after.row == 7
        assert after.attempts >= row.attempts
        assert after.polls >= row.polls
        assert 0 <= after.tries <= after.attempts
        assert 0 <= after.run_polls <= after.polls
        if after.state in {State.RUNNING, State.COMPLETED, State.TIMED_OUT} and row.run_id is not None:
            assert after.run_id is not None
        if after.state in {State.FAILED, State.TIMED_OUT, State.IN_DOUBT}:
            assert after.problem is not None
        row = after
