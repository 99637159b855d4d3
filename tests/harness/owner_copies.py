"""Run directories that are moved or copied, at any point of their job."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from tests.harness.kill_verdict import broken
from tests.harness.owner_jobs import KIND, OwnerTrial, arguments, go_on, stopped
from tests.support.command import batchrun, started
from tests.support.kill_points import Point

MOVED, COPIED = "was moved, or copied, from", "is a copy of"


class Copies(OwnerTrial):
    """A job is stopped at a point. Then its directory is moved or copied, and the job goes on there."""

    def run(self, number: int, point: Point) -> None:
        """One trial: the original is moved, copied, or copied and removed, in turn."""
        folder, how = self.folder / str(number), ("moved", "copied", "copied, and the original is gone")[number % 3]
        kills = self.begin(folder, self.pair.before)
        with stopped(arguments(self.pair.first, self.service.url), folder, point) as first:
            if how != "moved" and (folder / "job").exists():
                shutil.copytree(folder / "job", folder / "there")
            first.kill()
            first.wait()
            kills.add(1, marked=how == "moved")
        if how == "moved" and (folder / "job").exists():
            (folder / "job").rename(folder / "there")
        if how == "copied, and the original is gone":
            shutil.rmtree(folder / "job", ignore_errors=True)
        was_begun = (folder / "there" / "job.toml").exists()
        progress = folder / "job" / "progress.json"
        is_known = progress.exists() and progress.stat().st_size > 0  # it is created empty
        problems = list(self._resumed(folder, COPIED if is_known else MOVED)) if was_begun else []
        if was_begun:
            problems += self.problems(folder, kills, "there")
        self.tried += 1
        self.violations += [f"stopped {point}, then {how}: {problem}" for problem in problems]

    def _resumed(self, folder: Path, warning: str) -> Iterator[str]:
        done = batchrun("resume", "there", cwd=folder)
        if done.returncode not in {0, 3}:
            yield f"exit code {done.returncode}: {done.stderr[-300:]}"
        told = [line for line in done.stderr.splitlines() if MOVED in line or COPIED in line]
        if len(told) != 1 or warning not in told[0]:
            yield f"it said: {done.stderr[-500:]}"

    def at_the_same_time(self, number: int) -> None:
        """A copy goes on while the original does: each has its own lock. What was accepted before is paid for once."""
        folder, url = self.folder / f"both-{number}", self.service.url
        kills = self.begin(folder, "killed")
        accepted = {name for name, runs in self.service.journal.runs.items() if runs}
        shutil.copytree(folder / "job", folder / "there")
        with started(*arguments("resume", url), cwd=folder) as original, started("resume", "there", cwd=folder) as copy:
            go_on(original, copy)
            codes = original.wait(), copy.wait()
        problems = [f"exit code {code}" for code in codes if code not in {0, 3}]
        for job in ("job", "there"):
            problems += broken(
                folder / job, self.expected, self.service.journal, KIND.names, kills, connections=KIND.connections,
                may_be_paid=dict.fromkeys(KIND.names.values(), 2),
            )  # fmt: skip
        runs = self.service.journal.runs
        problems += [f"{len(runs[name])} runs for the inputs {name!r}" for name in accepted if len(runs[name]) > 1]
        self.tried += 1
        self.violations += [f"a copy at the same time, {number}: {problem}" for problem in problems]
