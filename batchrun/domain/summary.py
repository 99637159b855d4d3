"""The figures that describe a job."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from batchrun.domain.error_kinds import ErrorKind
from batchrun.domain.measures import CallbackCount, Interruptions, PollRate, Quantiles, SubmitRate
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.domain.workers import WorkerFigures


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """The figures of one session."""

    submissions: int = 0
    """POSTs sent."""
    polls: int = 0
    """Polls sent."""
    throttled: int = 0
    """429 answers."""
    elapsed_s: float = 0.0
    """Duration in seconds."""
    exit_code: int | None = None
    """The exit code; None while the session runs, and after a kill."""
    errors_by_kind: Mapping[str, int] = field(default_factory=dict)
    """Rows that got an error in this session, by kind."""
    started_at: str | None = None
    """When it started (UTC, ISO 8601); None if there was no session."""
    ended_at: str | None = None
    """When it ended; None while the session runs, and after a kill."""
    last_at: str | None = None
    """When it last wrote to the checkpoint."""


@dataclass(frozen=True, slots=True)
class Process:
    """The process that runs a job."""

    pid: int
    host: str


class ResultFiles(StrEnum):
    """Whether the result files hold what the checkpoint holds."""

    CURRENT = "current"
    OLDER = "older"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Summary:
    """The counts of a job's rows and requests."""

    rows: int
    """Rows of the job. Always the sum of the following six states."""
    completed: int
    """Rows that are completed."""
    failed: int
    """Rows that failed."""
    timed_out: int
    """Rows whose run did not end in time."""
    in_doubt: int
    """Rows that were sent, without proof that they were accepted or refused."""
    running: int
    """Rows whose run has not ended, or that are being submitted."""
    queued: int
    """Rows that wait to be submitted."""
    reused: int
    """Completed rows whose result was reused from an earlier job."""
    submissions: int
    """POSTs sent in all sessions."""
    polls: int
    """Polls sent in all sessions."""
    throttled: int
    """429 answers in all sessions."""
    elapsed_s: float
    """Total duration of all sessions, in seconds."""
    exit_code: int | None
    """The exit code of the last session; None while it runs, and after a kill."""
    errors_by_kind: Mapping[str, int]
    """Rows that failed, timed out or are in doubt, by kind of error."""
    session: SessionFigures
    """The figures of the last session only."""
    reason: str | None = None
    """Why the job stopped early."""
    advised_options: str = ""
    """The options for the next command, such as `--api open`; empty if none are needed."""
    is_mistake: bool = False
    """Whether the job stopped for a mistake in its options before the service accepted anything. It is corrected with
    `--fresh`; `resume` would meet the same mistake."""
    submitting: int = 0
    """Rows of `running` whose submission has no answer yet. After a kill, the next command takes as in doubt those of
    them that may have been sent."""
    doubts_in_flight: int = 0
    """Rows in doubt that take up all places of `--max-in-flight`, as the service may be working on them; 0 if a place
    is free."""
    process: Process | None = None
    """The process that runs the job now; None if none does."""
    workers: tuple[WorkerFigures, ...] = ()
    """The workers that are at work; none if the job runs in one process, or does not run."""
    result_files: ResultFiles = ResultFiles.CURRENT
    """Whether the result files hold what the checkpoint holds."""
    has_scores: bool = False
    """Whether there is a `scores.parquet`."""
    error_examples: Mapping[str, str] = field(default_factory=dict)
    """The message of one row for each kind of error."""
    rate: float | None = None
    """Rows that ended per second in the last session, without reused rows."""
    eta_s: float | None = None
    """Seconds until the remaining rows have ended; None if the job is not running, or too few rows have ended."""
    run_s: Quantiles | None = None
    """Durations of runs according to the service's clock. This and the next five are of the last session that measured
    any."""
    submit_s: Quantiles | None = None
    """Times that the service takes to accept a row."""
    lag_s: Quantiles | None = None
    """Times from the end of a run until it was noticed. They compare differences of one clock each, so it does not
    matter if the clock of the service is wrong. None with `--mode sync`, where the answer is the result."""
    wait_s: Quantiles | None = None
    """Times that submissions waited for a permit of `--rps`, `--total-rps` or the end of a pause, while everything else
    was ready."""
    submit_rate: SubmitRate | None = None
    """How much of the allowed rate of submissions was used; None for fewer than two submissions."""
    poll_rate: PollRate | None = None
    """How much of the allowed rate of polls was used; None for fewer than two polls. Near 1, ends are found late."""
    callbacks: CallbackCount | None = None
    """How many ends of runs callbacks announced in the last session; None without callbacks."""
    interruptions: Interruptions = field(default_factory=Interruptions)
    """Throttling and outages."""
    polls_per_row: float | None = None
    """Polls of all sessions divided by the rows with a run; None without a run or a poll."""
    irregular_outputs: int = 0
    """Outputs that are not strict JSON and were kept as they could be read, in all sessions."""
    input_tokens: int | None = None
    """Input tokens of all runs, in all sessions; None if the service reports none."""
    output_tokens: int | None = None
    """Output tokens of all runs, likewise."""
    total_tokens: int | None = None
    """Total tokens of all runs, as the service counts them, likewise."""
    folder: str = ""
    """The run directory."""
    job: Mapping[str, Any] = field(default_factory=dict)
    """The input and the workflow, which identify the job."""

    def as_dict(self) -> dict[str, Any]:
        """The summary as plain values under their JSON names (`errors` for `errors_by_kind`)."""
        found = asdict(self, dict_factory=lambda items: {_IN_JSON.get(name, name): value for name, value in items})
        for worker in found["workers"]:
            del worker["is_lost"]  # those at work are not
        return found


_IN_JSON = {"errors_by_kind": "errors"}


def counts(tally: Tally) -> dict[str, Any]:
    """The number of rows, and of rows in each of the six states that are shown to users."""
    return {
        "rows": tally.total,
        "completed": tally[State.COMPLETED],
        "failed": tally[State.FAILED],
        "timed_out": tally[State.TIMED_OUT],
        "in_doubt": tally[State.IN_DOUBT],
        "running": tally[State.RUNNING] + tally[State.SUBMITTING],
        "queued": tally[State.QUEUED],
    }


_WITH_A_RUN = (
    ErrorKind.RUN_FAILED,
    ErrorKind.INTERRUPTED,
    ErrorKind.LOST,
    ErrorKind.TIMEOUT,
    ErrorKind.UNKNOWN_STATUS,
)


def polls_per_row(tally: Tally, polls: int) -> float | None:
    """`polls` divided by the rows whose last attempt led to a run; None without any."""
    rows = tally[State.COMPLETED] - tally.reused + tally[State.RUNNING] + sum(tally.kinds[kind] for kind in _WITH_A_RUN)
    return round(polls / rows, 2) if polls and rows > 0 else None
