"""The options of a job that the engine uses, and the result of its work. Durations are in seconds."""

from dataclasses import dataclass
from enum import StrEnum

from batchrun.dialects.base import Dialect
from batchrun.domain.sweep import PLAIN, Sweep
from batchrun.errors import ExitCode


class InDoubt(StrEnum):
    """What to do with rows in doubt (`--in-doubt`)."""

    HOLD = "hold"
    RESUBMIT = "resubmit"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of a job that the engine uses. They mean the same as on the command line."""

    workflow_id: str
    """The workflow of rows whose variant names none."""
    seed: int
    sweep: Sweep = PLAIN
    variant_dialects: tuple[Dialect, ...] = ()
    """The dialect with the options of each variant; empty if they do not differ."""
    synchronous: bool = False
    """Whether the answer to a POST is the result (`--mode sync`)."""
    polls_first: bool = False
    """Whether one run is to be polled before more are submitted."""
    adaptive: bool = True
    """Whether the rate adapts to the quota of the service."""
    total_rps: float | None = None
    """The limit of submissions and polls together (per second), which the rate limiters keep."""
    max_in_flight: int = 500
    max_connections: int = 100
    poll_initial: float = 1.0
    poll_max: float = 30.0
    poll_learned: bool = True
    """Whether polls follow the observed durations of runs (`--poll-schedule`)."""
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
    max_submissions: int | None = None
    max_tokens: int | None = None

    def workflow_of(self, row: int) -> str:
        """The workflow that this row is sent to."""
        return self.sweep.variant(row).workflow_id or self.workflow_id

    def dialect_of(self, row: int) -> Dialect | None:
        """The dialect with the options of this row's variant; None if it has none of its own."""
        return self.variant_dialects[self.sweep.place(row).variant] if self.variant_dialects else None


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a job stops early.

    `collect`: accepted runs are polled until they end. Otherwise they are left to the next command.
    `foreign_api`: the service speaks another API, so that sending more of the same is of no use.
    `advised_options`: the options with which the next command can go on, such as `--api open`; empty if none.
    `is_mistake`: the workflow, the address or the inputs are probably wrong, which `resume` cannot correct.
    """

    exit_code: ExitCode
    reason: str
    collect: bool = False
    foreign_api: bool = False
    advised_options: str = ""
    is_mistake: bool = False


@dataclass(frozen=True, slots=True)
class EngineResult:
    """The result of the engine's work. `finished`: every row has ended or is held in doubt."""

    finished: bool
    stop: Stop | None
