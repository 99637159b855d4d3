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
    polls: int = 0
    throttled: int = 0
    elapsed_s: float = 0.0
    exit_code: int | None = None
    errors: Mapping[str, int] = field(default_factory=dict)
    """Rows that came to their error in this session, by kind."""


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Median and 95th percentile of a duration, in seconds, and over how many it was taken."""

    n: int
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a job's rows and requests.

    `rows` is always the sum of the six states (`running` includes rows being submitted); `reused` are those of the
    completed that were taken over from earlier jobs. `submissions`, `polls`, `throttled` and `elapsed_s` are totals
    over all sessions, `session` holds those of the last one alone. `exit_code` is None while the job runs, and after
    a kill.
    """

    rows: int
    completed: int
    failed: int
    timed_out: int
    in_doubt: int
    running: int
    queued: int
    reused: int
    submissions: int
    polls: int
    throttled: int
    elapsed_s: float
    exit_code: int | None
    errors: Mapping[str, int]
    session: SessionFigures
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
        """The summary as plain values, for JSON."""
        return asdict(self)


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
