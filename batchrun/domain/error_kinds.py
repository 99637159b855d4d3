"""The reasons why a row is not completed."""

from enum import StrEnum

from batchrun.domain.frozen import Frozen


class ErrorKind(StrEnum):
    """The values of the column `error_kind` in `errors.parquet`."""

    INPUT = "input"
    """The row cannot be sent."""
    REJECTED = "rejected"
    """The service refused it for good."""
    RUN_FAILED = "run_failed"
    """Its run ended as failed."""
    INTERRUPTED = "interrupted"
    """Its run waits for a person."""
    EXHAUSTED = "exhausted"
    """It was refused until its attempts were used up."""
    LOST = "lost"
    """The service no longer knows its run."""
    IN_DOUBT = "in_doubt"
    """A POST was sent, and nothing proves whether it was accepted or refused."""
    TIMEOUT = "timeout"
    """Its run did not end in time."""
    UNKNOWN_STATUS = "unknown_status"
    """Its run did not end in time, and the service never reported a status that we know."""


class Problem(Frozen, frozen=True):
    """What went wrong with a row: our kind, the service's code and message, and the HTTP status if there was one."""

    kind: ErrorKind
    message: str
    code: str | None = None
    http_status: int | None = None
