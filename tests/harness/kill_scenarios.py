"""The commands that are killed at every point, each with what comes before it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from batchrun.adapters.checkpoint.schema import VERSION
from tests.harness.killed_jobs import KINDS, JobKind
from tests.support.earlier_checkpoint import make_earlier
from tests.support.kill_points import Point

Arguments: TypeAlias = tuple[object, ...]

FIFTH_POST = Point("Marks.sent at adapters/http/exchange.py", 5)
"""Where the job of a scenario is killed first, if it is: while a POST is in the air, and some rows have ended."""


@dataclass(frozen=True)
class Scenario:
    """A command that is killed, given again, killed at another point, and given again until it ends."""

    kind: JobKind
    command: Arguments | None
    """None: `run` itself."""
    is_killed_before: bool = False
    """Whether the job has been killed once already, at `FIFTH_POST`."""
    is_run_before: bool = False
    """Whether the job has come to its end once already."""
    change: Callable[[Path], None] | None = None
    """Changes the run directory before the command."""
    undisturbed: Arguments | None = None
    """A command that follows on `run` where nothing is killed."""
    until: str = ""
    """Only points before the first site that begins like this."""

    def arguments(self, url: str) -> Arguments:
        """Those of the command."""
        return self.kind.run(url) if self.command is None else self.command


def _earlier(folder: Path, version: int) -> None:
    make_earlier(folder / "job" / "checkpoint.db", version)


RESUME = ("resume", "job")
RETRY = ("retry", "job", "--poll-initial", 0.05)
RESUBMIT = (*RETRY, "--in-doubt", "resubmit")

SCENARIOS: Mapping[str, Scenario] = {
    "run": Scenario(KINDS["async"], None),
    "resume": Scenario(KINDS["async"], RESUME, is_killed_before=True),
    "sync": Scenario(KINDS["sync"], None),
    "sweep": Scenario(KINDS["sweep"], None),
    "retry": Scenario(KINDS["flaky"], RETRY, is_run_before=True, undisturbed=RETRY),
    "resubmit": Scenario(
        KINDS["async"], RESUBMIT, is_killed_before=True, is_run_before=True, undisturbed=RESUBMIT
    ),
    **{
        f"upgrade-{version}": Scenario(
            replace(KINDS["async"], options=()), RESUME, is_killed_before=True,
            change=partial(_earlier, version=version),
            until="Connection.execute at adapters/checkpoint/reader.py",
        )
        for version in range(1, VERSION)
    },
}  # fmt: skip
