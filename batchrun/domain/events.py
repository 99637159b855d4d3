"""The events that change a row, with their data. Times are UTC in whole milliseconds since 1970.

`details`: the details in the answer that caused the event; None if it had none.
"""

from typing import ClassVar, TypeAlias

from batchrun.domain.answers import RunDetails
from batchrun.domain.error_kinds import Problem
from batchrun.domain.frozen import Frozen
from batchrun.domain.states import Event, State


class CannotBeSent(Frozen, frozen=True):
    """No request can be built for the row: JSON cannot represent a value, or the body is too large."""

    event: ClassVar[Event] = Event.CANNOT_BE_SENT
    problem: Problem
    at: int


class SubmitStarted(Frozen, frozen=True):
    """A POST is about to be sent. This event is durable before the first byte leaves.

    `reuse_key` identifies the row's key and inputs and is recorded with the intent. It is None in a job without
    `--key`, and if it has already been recorded.
    """

    event: ClassVar[Event] = Event.SUBMIT_STARTED
    at: int
    reuse_key: bytes | None = None


class Accepted(Frozen, frozen=True):
    """The service accepted the row and returned the run_id."""

    event: ClassVar[Event] = Event.ACCEPTED
    run_id: str
    status: str
    submitted_at: int
    at: int
    created_at: int | None = None
    details: RunDetails | None = None


class RefusedForNow(Frozen, frozen=True):
    """Provably refused; another attempt is allowed from `not_before` on."""

    event: ClassVar[Event] = Event.REFUSED_FOR_NOW
    problem: Problem
    submitted_at: int
    not_before: int
    details: RunDetails | None = None


class RefusedForGood(Frozen, frozen=True):
    """Provably refused; another attempt is useless, or none is left."""

    event: ClassVar[Event] = Event.REFUSED_FOR_GOOD
    problem: Problem
    at: int


class Refunded(Frozen, frozen=True):
    """The attempt is refunded: nothing was sent, or the refusal was not about this row."""

    event: ClassVar[Event] = Event.REFUNDED
    not_before: int


class Unconfirmed(Frozen, frozen=True):
    """The POST may have reached the service, and nothing proves its outcome."""

    event: ClassVar[Event] = Event.UNCONFIRMED
    problem: Problem
    submitted_at: int


class RunCompleted(Frozen, frozen=True):
    """The run completed. `output` is the service's unchanged JSON text; None if it returned none.

    `run_id` and `submitted_at` are set for a row that is `submitting`: the answer to its POST was the result.
    """

    event: ClassVar[Event] = Event.RUN_COMPLETED
    status: str
    output: str | None
    at: int
    created_at: int | None = None
    updated_at: int | None = None
    run_id: str | None = None
    submitted_at: int | None = None
    details: RunDetails | None = None


class RunFailed(Frozen, frozen=True):
    """The run failed. `resubmit_at`: when to submit the row again; None: never.

    `run_id` and `submitted_at`: see `RunCompleted`.
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
    details: RunDetails | None = None


class StillRunning(Frozen, frozen=True):
    """A poll was answered: the run has not ended."""

    event: ClassVar[Event] = Event.STILL_RUNNING
    status: str | None
    created_at: int | None = None
    updated_at: int | None = None
    details: RunDetails | None = None


class Gone(Frozen, frozen=True):
    """The service no longer knows the run."""

    event: ClassVar[Event] = Event.GONE
    problem: Problem
    at: int
    details: RunDetails | None = None


class Deadline(Frozen, frozen=True):
    """The run did not end within the allowed time or number of polls."""

    event: ClassVar[Event] = Event.DEADLINE
    problem: Problem
    at: int
    details: RunDetails | None = None


class FoundAfterRestart(Frozen, frozen=True):
    """A new command found the row in the state in which an earlier command left it."""

    event: ClassVar[Event] = Event.FOUND_AFTER_RESTART
    problem: Problem
    at: int


class Settled(Frozen, frozen=True):
    """The user decided what to do with a row that is in doubt, failed or timed out.

    `renewed`: the row is queued with a new budget of retries, because the user asked for this row.
    """

    event: ClassVar[Event] = Event.SETTLED
    to: State
    at: int
    problem: Problem | None = None
    renewed: bool = True
    not_before: int | None = None


class Reused(Frozen, frozen=True):
    """An earlier job completed a row with the same key and inputs: its result is reused, and nothing is sent.

    All values are those that the earlier job recorded, including the times but not the tokens, which this job did not
    spend. `source` is the directory of that job. `reuse_key` is the same for both rows; it is recorded so that a later
    job can reuse the result of this one.
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
    details: RunDetails | None = None


class Adopted(Frozen, frozen=True):
    """An earlier job has a run of a row with the same key and inputs, which has not ended: this job polls it as well.

    All values are those that the earlier job recorded. `reuse_key`: as in `Reused`.
    """

    event: ClassVar[Event] = Event.ADOPTED
    run_id: str
    status: str | None
    reuse_key: bytes
    submitted_at: int | None = None
    accepted_at: int | None = None
    created_at: int | None = None


class Held(Frozen, frozen=True):
    """A row with the same key and inputs is in doubt in an earlier job, so nothing is sent here.

    `reuse_key`: as in `Reused`.
    """

    event: ClassVar[Event] = Event.HELD
    problem: Problem
    reuse_key: bytes


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
    | Adopted
    | Held
)
