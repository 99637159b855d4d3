"""What an answer of the service means, whatever dialect it was spoken in.

A submission has four meanings: taken, ended at once (its answer is the result), refused with proof, or unproven.
Anything that does not prove a refusal is unproven: the service may have the row, and may charge for it.
"""

from enum import Enum, auto
from typing import TypeAlias

from batchrun.domain.frozen import Frozen


class RefusalKind(Enum):
    """Whose fault a refusal is, which decides what it costs and whom."""

    THROTTLED = auto()
    """Too fast: everything slows down, the row pays nothing."""
    BUSY = auto()
    """The service cannot now: the row's attempt, or an outage, which `domain.jury` finds out."""
    ROW = auto()
    """This row will never be taken, unless all rows fare alike."""
    CREDENTIALS = auto()
    """The token: refreshed once, then the job stops."""
    CONFIGURATION = auto()
    """The workflow, the address, the rights: the job stops."""
    QUOTA = auto()
    """The account is used up: the job stops."""
    GONE = auto()
    """On a poll: the service does not know the run."""


class RunDetails(Frozen, frozen=True):
    """What some services say about a run beside its state. None where they do not say it."""

    log_id: str | None = None
    """What the service's support asks for."""
    debug_url: str | None = None
    """A page that shows the run."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


class Refusal(Frozen, frozen=True):
    """The service said no, and said so provably. `retry_after` in seconds where it named one."""

    kind: RefusalKind
    http_status: int
    code: str | None
    message: str
    retry_after: float | None = None
    details: RunDetails | None = None

    def __str__(self) -> str:
        code = f" {self.code}" if self.code else ""
        return f"HTTP {self.http_status}{code}: {self.message}"


class AcceptedAnswer(Frozen, frozen=True):
    """The service accepted the row. `created_at` in UTC milliseconds."""

    run_id: str
    status: str
    created_at: int | None = None
    details: RunDetails | None = None


class Inconclusive(Frozen, frozen=True):
    """The answer proves neither."""

    message: str
    http_status: int | None = None


class Phase(Enum):
    """How far a run is."""

    RUNNING = auto()
    COMPLETED = auto()
    FAILED = auto()
    INTERRUPTED = auto()
    """It waits for a person, and will not go on by itself."""
    UNKNOWN = auto()
    """A word for its status that we do not know: not ended, as far as anybody can tell."""


class RunState(Frozen, frozen=True):
    """What the service says of a run. `output` is its JSON text as it came; times in UTC milliseconds."""

    phase: Phase
    status: str
    output: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    details: RunDetails | None = None


class SyncResult(Frozen, frozen=True):
    """The service ran the row, and answered with how the run ended; `run_id` is None where it named none."""

    run_id: str | None
    state: RunState
    """Its phase is COMPLETED or FAILED."""


SubmitAnswer: TypeAlias = AcceptedAnswer | SyncResult | Refusal | Inconclusive
PollAnswer: TypeAlias = RunState | Refusal | Inconclusive
