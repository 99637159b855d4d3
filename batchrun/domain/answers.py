"""What an answer from the service means, in terms that all dialects share.

The answer to a submission is one of four: the row was accepted, its run has already ended, the service provably
refused it, or the answer is inconclusive. An answer that does not prove a refusal is inconclusive, because the service
may have accepted the row and may charge for it.
"""

from enum import Enum, auto
from typing import TypeAlias

import msgspec

from batchrun.domain.frozen import Frozen


class RefusalKind(Enum):
    """What a refusal is about. This decides whether the row is charged an attempt and whether the job stops."""

    THROTTLED = auto()
    """Requests come too fast. All requests slow down; the row is not charged."""
    BUSY = auto()
    """The service cannot handle the request now. `domain.fault_attribution` decides between the row and an outage."""
    ROW = auto()
    """The service rejects this row for good. If it rejects all rows in the same way, the job stops instead."""
    CREDENTIALS = auto()
    """The token is invalid. It is refreshed once; if that does not help, the job stops."""
    CONFIGURATION = auto()
    """The workflow, the address or the permissions are wrong. The job stops."""
    QUOTA = auto()
    """The quota of the account is used up. The job stops."""
    GONE = auto()
    """Answer to a poll: the service does not know the run."""


class RunDetails(Frozen, frozen=True):
    """What some services report about a run besides its state. None: not reported."""

    log_id: str | None = None
    """The identifier that the service's support asks for."""
    debug_url: str | None = None
    """The address of a page that shows the run."""
    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None


class Refusal(Frozen, frozen=True):
    """The service provably refused the request. `retry_after`: the seconds it asks to wait, if it names any."""

    kind: RefusalKind
    http_status: int
    code: str | None
    message: str
    retry_after: float | None = None
    details: RunDetails | None = None
    names_other_api: bool = False
    """Whether it shows that the service speaks another API, so that it says the same about every run."""
    advised_options: str = ""
    """The options with which it would not have been refused, such as `--mode sync`; empty if none are known."""

    def __str__(self) -> str:
        code = f" {self.code}" if self.code else ""
        return f"HTTP {self.http_status}{code}: {self.message}"


class Identity(Frozen, frozen=True):
    """What an answer says about the run that it describes. None: it does not say."""

    run_id: str | None = None
    workflow_id: str | None = None
    inputs: msgspec.Raw | None = None
    """The echo of the inputs: a JSON object, or text that contains one."""
    repeated: str | None = None
    """A key that the answer has twice, with different values."""


UNIDENTIFIED = Identity()


class AcceptedAnswer(Frozen, frozen=True):
    """The service accepted the row. `created_at` in UTC milliseconds."""

    run_id: str
    status: str
    created_at: int | None = None
    details: RunDetails | None = None
    identity: Identity = UNIDENTIFIED


class Inconclusive(Frozen, frozen=True):
    """The answer proves neither acceptance nor refusal.

    `is_not_visible`: the service answered a poll as documented, but has no record of the run yet.
    """

    message: str
    http_status: int | None = None
    is_not_visible: bool = False

    def __str__(self) -> str:
        return self.message


class Phase(Enum):
    """The progress of a run."""

    RUNNING = auto()
    COMPLETED = auto()
    FAILED = auto()
    INTERRUPTED = auto()
    """The run waits for a person and does not continue by itself."""
    UNKNOWN = auto()
    """The service used a status word that we do not know. The run counts as not ended."""


class RunState(Frozen, frozen=True):
    """The state of a run as the service reports it. `output` is the unchanged JSON text; times in UTC milliseconds."""

    phase: Phase
    status: str
    output: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    created_at: int | None = None
    updated_at: int | None = None
    details: RunDetails | None = None
    is_irregular: bool = False
    """Whether the output is not strict JSON and was kept as it could be read."""
    identity: Identity = UNIDENTIFIED


ENDS = frozenset({Phase.COMPLETED, Phase.FAILED, Phase.INTERRUPTED})
"""The phases of a run that has ended."""


class SyncResult(Frozen, frozen=True):
    """The service executed the row and answered with the result. `run_id` is None if the answer has none."""

    run_id: str | None
    state: RunState
    """The phase is COMPLETED, FAILED or INTERRUPTED."""

    @property
    def identity(self) -> Identity:
        """What the answer says about its run."""
        return self.state.identity


class Uploaded(Frozen, frozen=True):
    """The service has stored a file. `reference` is the value of an input that stands for it."""

    reference: str


UploadAnswer: TypeAlias = Uploaded | Refusal | Inconclusive
SubmitAnswer: TypeAlias = AcceptedAnswer | SyncResult | Refusal | Inconclusive
PollAnswer: TypeAlias = RunState | Refusal | Inconclusive
