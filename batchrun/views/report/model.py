"""What a report shows of each job, as plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from batchrun.domain.error_kinds import ErrorKind
from batchrun.domain.histogram import Histogram
from batchrun.domain.pace_limits import PaceLimit
from batchrun.domain.summary import Summary
from batchrun.domain.sweep import Sweep
from batchrun.domain.time_series import Interval
from batchrun.domain.workers import WorkerFigures
from batchrun.scoring.comparisons import Comparisons


@dataclass(frozen=True, slots=True)
class SessionSpan:
    """One session. Times are UTC milliseconds; `exit_code` is None while it runs, and after a kill."""

    started_at: int
    ended_at: int
    """When it ended, or last wrote to the checkpoint."""
    exit_code: int | None
    intervals: Sequence[Interval]
    """Empty if an earlier version of batchrun ran it."""
    worked_s: float
    """How long it worked, in seconds, as far as the checkpoint knows."""
    submissions: int
    """POSTs sent, as far as the checkpoint knows: also those that no interval has because of a kill."""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One row in a table. `inputs`: the values of `JobReport.columns` as text. Times are in seconds."""

    row: int
    state: str
    attempts: int
    polls: int
    run_id: str | None
    log_id: str | None
    debug_url: str | None
    run_s: float | None = None
    error_kind: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    http_status: int | None = None
    variant: str | None = None
    inputs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Rows that failed alike: of one kind, with one code and the same message but for its numbers."""

    kind: ErrorKind
    code: str | None
    count: int
    row: int
    """One of these rows, as an example."""
    message: str
    """The message of that row."""


@dataclass(frozen=True, slots=True)
class RowFigures:
    """What is computed from all rows."""

    run: Histogram
    """Durations of completed runs: by the service's clock if it reports them, else from acceptance to the end."""
    by_service: bool
    """Whether `run` is by the service's clock."""
    lag: Histogram
    """From the end of a run until it was noticed: since its acceptance, less the run time by the service's clock. Only
    of runs that one session began and saw end."""
    without_lag: int
    """Completed runs that are left out of `lag`, because another session than the one that began them saw them end."""
    polls: Mapping[int, int]
    """Completed runs by the number of polls of the run; the last number stands for more as well."""
    errors: Sequence[ErrorGroup]
    """The most frequent first."""
    other_errors: int
    """Rows whose group is not among `errors`."""
    errors_over_time: Mapping[ErrorKind, Sequence[int]]
    """Rows by kind of error, in equal parts of the time that the sessions took together."""
    part_s: float
    """The length of each of these parts, in seconds."""
    last_row: int | None
    """The row that ended last; None if none has ended in this job."""
    last_row_at: int
    """When its end was noticed, in UTC milliseconds."""


@dataclass(frozen=True, slots=True)
class JobReport:
    """One job."""

    name: str
    """Its run directory."""
    sweep: Sweep
    summary: Summary
    sessions: Sequence[SessionSpan]
    rps: float
    poll_rps: float
    max_in_flight: int
    total_rps: float | None
    share_limits: str | None
    limited: Mapping[PaceLimit, float]
    """Seconds by what held it back; empty if no session recorded it."""
    rows: RowFigures
    columns: Sequence[str]
    """The columns of the input that are shown."""
    left_out: Sequence[str]
    """The columns that were to be left out."""
    more_columns: int
    """Columns that are not shown, because there are too many."""
    slowest: Sequence[ShownRow]
    failed: Sequence[ShownRow]
    next_command: str | None
    advice: str | None = None
    """What to do where no command helps by itself."""
    input_problem: str | None = None
    """Why the values of the input are not those of the input file."""
    workers: Sequence[WorkerFigures] = ()
    """Those of the last session; none if it ran in one process."""


@dataclass(frozen=True, slots=True)
class Report:
    """All jobs. Times are UTC milliseconds."""

    jobs: Sequence[JobReport]
    made_at: int
    comparison: Comparisons | None = None
    no_comparison: str | None = None
    """Why there is none, if one could be expected."""
    scored: Sequence[str] = field(default=())
    """The columns of scores."""


def ended_rows(summary: Summary) -> int:
    """The rows that have ended, without reused ones."""
    return summary.completed - summary.reused + summary.failed + summary.timed_out
