"""The events of a row's life with what they carry. Times are UTC in whole milliseconds since 1970."""

from typing import ClassVar, TypeAlias

from batchrun.domain.error_kinds import Problem
from batchrun.domain.frozen import Frozen
from batchrun.domain.states import Event, State


class CannotBeSent(Frozen, frozen=True):
    """The row has no request: a value that JSON cannot carry, or a body that is too large."""

    event: ClassVar[Event] = Event.CANNOT_BE_SENT
    problem: Problem
    at: int


class SubmitStarted(Frozen, frozen=True):
    """A POST is about to leave. Durable before its first byte does.

    `reuse_key` identifies the row's key and inputs and is recorded with the intent; None in a job without `--key`, and
    where it is recorded already.
    """

    event: ClassVar[Event] = Event.SUBMIT_STARTED
    at: int
    reuse_key: bytes | None = None


class Accepted(Frozen, frozen=True):
    """The service took the row and named its run."""

    event: ClassVar[Event] = Event.ACCEPTED
    run_id: str
    status: str
    submitted_at: int
    at: int
    created_at: int | None = None


class RefusedForNow(Frozen, frozen=True):
    """Refused with proof, and worth another attempt at `not_before`."""

    event: ClassVar[Event] = Event.REFUSED_FOR_NOW
    problem: Problem
    submitted_at: int
    not_before: int


class RefusedForGood(Frozen, frozen=True):
    """Refused with proof, and no further attempt is worth it or left."""

    event: ClassVar[Event] = Event.REFUSED_FOR_GOOD
    problem: Problem
    at: int


class Refunded(Frozen, frozen=True):
    """Nothing was sent, or the refusal was not about this row: the attempt is refunded."""

    event: ClassVar[Event] = Event.REFUNDED
    not_before: int


class Unconfirmed(Frozen, frozen=True):
    """The POST may have reached the service, and nothing proves what became of it."""

    event: ClassVar[Event] = Event.UNCONFIRMED
    problem: Problem
    submitted_at: int


class RunCompleted(Frozen, frozen=True):
    """The run ended well. `output` is the service's JSON text, untouched; None where it gave none.

    `run_id` and `submitted_at` are for a row that is `submitting`: the answer of its POST told the end.
    """

    event: ClassVar[Event] = Event.RUN_COMPLETED
    status: str
    output: str | None
    at: int
    created_at: int | None = None
    updated_at: int | None = None
    run_id: str | None = None
    submitted_at: int | None = None


class RunFailed(Frozen, frozen=True):
    """The run ended as failed; `resubmit_at` says when to try another run, None: never.

    `run_id` and `submitted_at`: as in `RunCompleted`.
    """

    event: ClassVar[Event] = Event.RUN_FAILED
    status: str
    problem: Problem
    at: int
    created_at: int | None = None
    updated_at: int | None = None
    resubmit_at: int | None = None
    run_id: str | None = None
    submitted_at: int | None = None


class StillRunning(Frozen, frozen=True):
    """A poll was answered, and the run has not ended."""

    event: ClassVar[Event] = Event.STILL_RUNNING
    status: str | None
    created_at: int | None = None
    updated_at: int | None = None


class Gone(Frozen, frozen=True):
    """The service no longer knows the run."""

    event: ClassVar[Event] = Event.GONE
    problem: Problem
    at: int


class Deadline(Frozen, frozen=True):
    """The run did not end within its time or its polls."""

    event: ClassVar[Event] = Event.DEADLINE
    problem: Problem
    at: int


class FoundAfterRestart(Frozen, frozen=True):
    """A new command found the row as an earlier one left it."""

    event: ClassVar[Event] = Event.FOUND_AFTER_RESTART
    problem: Problem
    at: int


class Settled(Frozen, frozen=True):
    """The user decided what becomes of a row in doubt, or of one that ended badly.

    `renewed`: it is queued with a new budget of retries, since the user asked for this very row.
    """

    event: ClassVar[Event] = Event.SETTLED
    to: State
    at: int
    problem: Problem | None = None
    renewed: bool = True
    not_before: int | None = None


class Reused(Frozen, frozen=True):
    """An earlier job completed a row of the same key and inputs: its run is taken over, and nothing is sent.

    Everything is as the earlier job recorded it, the times included. `source` is that job's directory. `reuse_key` is
    the same for both rows; it is recorded so that a later job can take the run over from this one.
    """

    event: ClassVar[Event] = Event.REUSED
    run_id: str | None
    status: str | None
    output: str | None
    source: str
    reuse_key: bytes
    submitted_at: int | None = None
    finished_at: int | None = None
    created_at: int | None = None
    updated_at: int | None = None


RowEvent: TypeAlias = (
    CannotBeSent
    | SubmitStarted
    | Accepted
    | RefusedForNow
    | RefusedForGood
    | Refunded
    | Unconfirmed
    | RunCompleted
    | RunFailed
    | StillRunning
    | Gone
    | Deadline
    | FoundAfterRestart
    | Settled
    | Reused
)
