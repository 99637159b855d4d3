"""The record of one row, and the pure function that changes it."""

from batchrun.domain.answers import RunDetails
from batchrun.domain.error_kinds import Problem
from batchrun.domain.events import (
    Accepted,
    Adopted,
    CannotBeSent,
    Deadline,
    FoundAfterRestart,
    Gone,
    Held,
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
from batchrun.domain.frozen import Frozen, copied
from batchrun.domain.run_details import latest
from batchrun.domain.states import ENDED, State, next_states


class Row(Frozen, frozen=True):
    """The record of one row. Times are UTC in whole milliseconds since 1970.

    `attempts` counts the POSTs that reached the service and were not refused because of throttling, credentials or
    quota. `tries` counts those of them that use up the current budget of retries; the budget is renewed when the user
    queues the row again. `polls` counts the answered polls of all runs of the row, `run_polls` of the current run.
    """

    row: int
    state: State = State.QUEUED
    attempts: int = 0
    tries: int = 0
    polls: int = 0
    run_polls: int = 0
    run_id: str | None = None
    status: str | None = None
    not_before: int | None = None
    intent_at: int | None = None
    submitted_at: int | None = None
    accepted_at: int | None = None
    finished_at: int | None = None
    created_at: int | None = None
    updated_at: int | None = None
    problem: Problem | None = None
    details: RunDetails | None = None
    """The details of the present attempt. None: no attempt reported any. Empty: only an earlier attempt did."""


def decide(row: Row, event: RowEvent) -> Row:
    """The row after `event`. Raises `IllegalTransitionError` if the table does not allow the event."""
    state = _target(row, event)
    match event:
        case SubmitStarted(at):
            return copied(
                row,
                state=state,
                attempts=row.attempts + 1,
                tries=row.tries + 1,
                intent_at=at,
                not_before=None,
                run_polls=0,
                run_id=None,
                status=None,
                submitted_at=None,
                accepted_at=None,
                created_at=None,
                updated_at=None,
                problem=None,
                details=_cleared(row),
            )
        case Accepted(run_id, status, submitted_at, at, created_at):
            return copied(
                row,
                state=state,
                run_id=run_id,
                status=status,
                submitted_at=submitted_at,
                accepted_at=at,
                created_at=created_at,
                problem=None,
                details=latest(row.details, event.details),
            )
        case StillRunning(status, created_at, updated_at):
            return copied(
                row,
                state=state,
                polls=row.polls + 1,
                run_polls=row.run_polls + 1,
                status=status or row.status,
                created_at=created_at or row.created_at,
                updated_at=updated_at or row.updated_at,
                details=latest(row.details, event.details),
            )
        case RunCompleted() | RunFailed() if row.state in ENDED and row.state is not State.TIMED_OUT:
            return copied(row, polls=row.polls + 1, run_polls=row.run_polls + 1)
        case RunCompleted() | RunFailed():
            failed = event if isinstance(event, RunFailed) else None
            polled = row.state is not State.SUBMITTING  # otherwise the answer to the POST was the result
            return copied(
                row,
                state=state,
                polls=row.polls + polled,
                run_polls=row.run_polls + polled,
                run_id=row.run_id if polled else event.run_id,
                status=event.status,
                submitted_at=row.submitted_at if polled else event.submitted_at,
                finished_at=event.at,
                created_at=event.created_at or row.created_at,
                updated_at=event.updated_at or row.updated_at,
                problem=None if failed is None else failed.problem,
                not_before=None if failed is None else failed.resubmit_at,
                details=latest(row.details, event.details),
            )
        case RefusedForNow(problem, submitted_at, not_before):
            return copied(
                row,
                state=state,
                problem=problem,
                submitted_at=submitted_at,
                not_before=not_before,
                details=latest(row.details, event.details),
            )
        case Refunded(not_before):
            return copied(
                row,
                state=state,
                attempts=row.attempts - 1,
                tries=row.tries - 1,
                not_before=not_before,
                problem=None,
            )
        case Unconfirmed(problem, submitted_at):
            return copied(row, state=state, problem=problem, submitted_at=submitted_at)
        case Adopted():
            return copied(
                row,
                state=state,
                intent_at=None,  # it is the attempt of another job
                run_id=event.run_id,
                status=event.status,
                not_before=None,
                submitted_at=event.submitted_at,
                accepted_at=event.accepted_at,
                created_at=event.created_at,
                problem=None,
            )
        case Held(problem):
            return copied(row, state=state, problem=problem, not_before=None)
        case Gone(problem, at) | Deadline(problem, at):
            return copied(
                row,
                state=state,
                polls=row.polls + 1,
                run_polls=row.run_polls + 1,
                finished_at=at,
                problem=problem,
                details=latest(row.details, event.details),
            )
        case CannotBeSent(problem, at) | RefusedForGood(problem, at):
            return copied(row, state=state, finished_at=at, problem=problem)
        case FoundAfterRestart(problem, _):
            return row if state is row.state else copied(row, state=state, problem=problem)
        case Settled(_, at, problem, renewed, not_before):
            if state is State.FAILED:
                return copied(row, state=state, finished_at=at, problem=problem or row.problem)
            tries = 0 if renewed else row.tries
            return copied(row, state=state, tries=tries, not_before=not_before, finished_at=None)
        case Reused():
            return copied(
                row,
                state=state,
                intent_at=None,  # earlier attempts of this job led to no run
                run_id=event.run_id,
                status=event.status,
                not_before=None,
                submitted_at=event.submitted_at,
                finished_at=event.finished_at,
                created_at=event.created_at,
                updated_at=event.updated_at,
                problem=None,
                details=latest(_cleared(row), event.details),
            )


def _cleared(row: Row) -> RunDetails | None:
    """The details of a new attempt. They are empty and not None if the checkpoint has a record to clear."""
    return None if row.details is None else RunDetails()


def _target(row: Row, event: RowEvent) -> State:
    """The next state according to the table. If a cell has two states, the event decides."""
    targets = next_states(row.state, event.event)
    if len(targets) == 1:
        target = targets[0]
    elif isinstance(event, RunFailed):
        target = State.FAILED if event.resubmit_at is None else State.QUEUED
    elif isinstance(event, Settled):
        target = event.to
    else:  # pragma: no cover - the table has no other cell with two states
        raise AssertionError(event)
    return target
