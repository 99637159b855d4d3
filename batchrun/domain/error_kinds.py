"""Why a row is not completed: the kinds, and the record of one problem."""

from enum import StrEnum

from batchrun.domain.frozen import Frozen


class ErrorKind(StrEnum):
    """`error_kind` of `errors.parquet`."""

    INPUT = "input"
    """The row cannot be sent."""
    REJECTED = "rejected"
    """The service refused it for good."""
    RUN_FAILED = "run_failed"
    """Its run ended as failed."""
    EXHAUSTED = "exhausted"
    """It was refused until the attempts were used up."""
    LOST = "lost"
    """The service no longer knows its run."""
    IN_DOUBT = "in_doubt"
    """A POST was sent and nothing proves that it was accepted or refused."""
    TIMEOUT = "timeout"
    """Its run did not end in time."""
    UNKNOWN_STATUS = "unknown_status"
    """Its run did not end in time, and the service's word for its status was never one we know."""


class Problem(Frozen, frozen=True):
    """What went wrong with a row: our kind, the service's code and words, and its HTTP status if it answered."""

    kind: ErrorKind
    message: str
    code: str | None = None
    http_status: int | None = None
