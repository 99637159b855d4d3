"""What the engine is told of a job, in its own words. Durations in seconds."""

from dataclasses import dataclass
from enum import StrEnum

from batchrun.errors import ExitCode


class InDoubt(StrEnum):
    """What becomes of rows in doubt (`--in-doubt`)."""

    HOLD = "hold"
    RESUBMIT = "resubmit"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a job that the engine obeys; their meaning is that of the command line."""

    workflow_id: str
    seed: int
    synchronous: bool = False
    """Whether the answer of a POST is the result."""
    adaptive: bool = True
    """Whether the rate follows what the service takes."""
    max_in_flight: int = 500
    max_connections: int = 100
    poll_initial: float = 1.0
    poll_max: float = 30.0
    poll_learned: bool = True
    """Whether polls follow what is learned of the durations of runs (`--poll-schedule`)."""
    max_polls: int | None = None
    run_timeout: float = 3600.0
    submit_timeout: float = 30.0
    poll_timeout: float = 30.0
    drain_timeout: float = 20.0
    max_outage: float = 900.0
    max_runtime: float | None = None
    retries: int = 3
    retry_failed_runs: bool = False
    in_doubt: InDoubt = InDoubt.HOLD
    max_failures: int | None = None
    max_failures_percent: float | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a job stops before its end.

    `collect`: the runs already accepted are polled to their end; otherwise they are left for the next command.
    """

    exit_code: ExitCode
    reason: str
    collect: bool = False


@dataclass(frozen=True, slots=True)
class EngineResult:
    """How the engine's work ended. `finished`: every row has ended or is held in doubt."""

    finished: bool
    stop: Stop | None
