"""What a job has come to, in figures."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from batchrun.domain.states import State
from batchrun.domain.tally import Tally


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """The figures of one session."""

    submissions: int = 0
    """POSTs that left."""
    polls: int = 0
    """Polls that left."""
    throttled: int = 0
    """Answers that were a 429."""
    elapsed_s: float = 0.0
    """Seconds of work."""
    exit_code: int | None = None
    """How it ended; None while it runs, and after a kill."""
    errors_by_kind: Mapping[str, int] = field(default_factory=dict)
    """Rows that came to their error in this session, by kind."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """The spread of a duration."""

    n: int
    """Over how many durations."""
    p50: float
    """The median, in seconds."""
    p95: float
    """The 95th percentile, in seconds."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a job's rows and requests."""

    rows: int
    """Rows of the job: always the sum of the six states that follow."""
    completed: int
    """Rows that are completed."""
    failed: int
    """Rows that ended failed."""
    timed_out: int
    """Rows whose run did not end in time."""
    in_doubt: int
    """Rows that were sent and never answered."""
    running: int
    """Rows that are accepted and not ended, or being submitted."""
    queued: int
    """Rows that wait to be submitted."""
    reused: int
    """Rows among the completed that were taken over from earlier jobs."""
    submissions: int
    """POSTs that left, in all sessions."""
    polls: int
    """Polls that left, in all sessions."""
    throttled: int
    """Answers that were a 429, in all sessions."""
    elapsed_s: float
    """Seconds of work, in all sessions."""
    exit_code: int | None
    """How the last session ended (the exit code of the command); None while it runs, and after a kill."""
    errors_by_kind: Mapping[str, int]
    """Rows that failed, timed out or are in doubt, by kind of error."""
    session: SessionFigures
    """The figures of the last session alone."""
    reason: str | None = None
    """Why the job stopped before its end."""
    rate: float | None = None
    """Rows ended a second in the last session, those taken over left out."""
    eta_s: float | None = None
    """Seconds that the rest will take at that rate; None where nothing runs."""
    run_s: Quantiles | None = None
    """How long runs take by the service's clock."""
    submit_s: Quantiles | None = None
    """How long the service takes to accept a row."""
    folder: str = ""
    """The run directory."""
    job: Mapping[str, Any] = field(default_factory=dict)
    """What identifies the job: input and workflow."""

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values under the names that they have in JSON (`errors` is `errors_by_kind`)."""
        return asdict(self, dict_factory=lambda items: {_IN_JSON.get(name, name): value for name, value in items})


_IN_JSON = {"errors_by_kind": "errors"}


def counts(tally: Tally) -> dict[str, Any]:
    """The six states that people see, whose sum is the number of rows."""
    return {
        "rows": tally.total,
        "completed": tally[State.COMPLETED],
        "failed": tally[State.FAILED],
        "timed_out": tally[State.TIMED_OUT],
        "in_doubt": tally[State.IN_DOUBT],
        "running": tally[State.RUNNING] + tally[State.SUBMITTING],
        "queued": tally[State.QUEUED],
    }
