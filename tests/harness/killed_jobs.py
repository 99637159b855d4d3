"""Small jobs of every sort that are killed, and what is the same for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.command import rows_file

MIXED = ("fault=reject:id=1", "fault=fail:id=2", "fault=error:id=3", "fault=lost:id=5")
"""A row of each sort that does not complete."""

FAST = ("--poll-rps", 400, "--poll-initial", 0.05, "--poll-max", 0.5, "--progress", "none", "--seed", 1)


@dataclass(frozen=True)
class JobKind:
    """A sort of job."""

    name: str
    options: tuple[object, ...] = ()
    """Of the command `run`."""
    faults: tuple[str, ...] = MIXED
    rows: int = 8
    rps: int = 200
    connections: int = 4
    workflow: str = "echo"
    variants: tuple[str, ...] = ()
    repeat: int = 1
    callbacks: bool = False
    duration: str = "uniform:0.02,0.2"
    reused: int = 0
    """The number of rows that an earlier job, in the folder `old`, has completed before."""

    @property
    def simulator(self) -> tuple[str, ...]:
        """The options of the simulator."""
        return (f"duration={self.duration}", "callback_delay=0.01", *self.faults)

    def run(self, url: str, folder: str = "job") -> tuple[object, ...]:
        """The command that starts the job, and resumes it."""
        sweep = ("--vary", f"answer={','.join(self.variants)}") if self.variants else ()
        return (
            "run", "rows.csv", "--workflow-id", self.workflow, "-o", folder, "--base-url", url, *FAST,
            "--rps", self.rps, "--max-connections", self.connections, *sweep, *self.options,
        )  # fmt: skip

    @property
    def names(self) -> Mapping[int, str]:
        """The name of each row's inputs in the journal of the service."""
        plain = [f"{number} row {number}" for number in range(self.rows)]
        if not self.variants:
            return dict(enumerate(plain))
        each = [f"{variant} {name}" for name in plain for variant in self.variants for _ in range(self.repeat)]
        return dict(enumerate(each))

    @property
    def may_be_paid(self) -> Mapping[str, int]:
        """How many runs the service may make for the inputs of a name, if not 1."""
        return dict.fromkeys(self.names.values(), self.repeat) if self.repeat > 1 else {}

    def write_rows(self, folder: Path, count: int | None = None) -> None:
        """Write the input."""
        folder.mkdir(exist_ok=True)
        rows_file(folder, self.rows if count is None else count)


SCORED = ("--score", "has=contains:echo.text:'4'")

KINDS: Mapping[str, JobKind] = {
    kind.name: kind
    for kind in (
        JobKind("async", ("--retries", 0, *SCORED)),
        JobKind("sync", ("--retries", 0, "--mode", "sync", "--select", "words=echo.text"), duration="uniform:0.01,0.1"),
        JobKind(
            "sweep",
            ("--retries", 0, "--repeat", 2, *SCORED),
            MIXED[:2],
            rows=4,
            variants=("a", "b"),
            repeat=2,
        ),  # a row that is refused as busy four times in a row would be an outage
        JobKind("flaky", ("--retries", 0), workflow="flaky"),
        JobKind(
            "callbacks",
            ("--retries", 0, "--poll-initial", 0.4),
            (*MIXED[:3], "callback_double=0.2", "callback_forged=0.2", "callback_early=0.2", "callback_never=0.2"),
            callbacks=True,
        ),
        JobKind(
            "reuse", ("--retries", 0, "--key", "id", "--reuse", "old"), ("fault=fail:id=6", "fault=lost:id=7"), reused=5
        ),
    )
}
