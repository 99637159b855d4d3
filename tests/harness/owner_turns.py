"""Two commands on one run directory: the first is stopped at a point while the second runs from start to end."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.harness.owner_jobs import OwnerTrial, arguments, go_on, real_time, snapshot, stopped
from tests.support.command import batchrun
from tests.support.kill_points import Point

READERS = (("status", "job", "--json"), ("export", "job", "--to", "view"), ("head", "job"))

AT_ONCE = 20.0
"""Seconds within which a command is turned away, on a busy machine too."""


class Turns(OwnerTrial):
    """Trials of one pair of commands."""

    def run(self, number: int, point: Point) -> None:
        """Stop the first command at `point`, run the second, and let the first go on; every third time, kill it."""
        folder, url = self.folder / str(number), self.service.url
        kills, is_killed = self.begin(folder, self.pair.before), number % 3 == 2
        problems = list[str]()
        with stopped(arguments(self.pair.first, url), folder, point) as first:
            was_running = first.poll() is None
            if number % 4 == 1:
                problems += _read(folder)
            before, began = snapshot(folder), real_time()
            try:
                second = batchrun(*arguments(self.pair.second, url), cwd=folder)
            except TimeoutError:
                self.violations.append(f"{self.pair}, the first stopped {point}: the second does not end")
                return
            if second.returncode not in {0, 3}:
                problems += _turned_away(second.returncode, second.stderr, before, snapshot(folder))
                if real_time() - began > AT_ONCE:
                    problems.append("the second was not turned away at once")
            if is_killed and was_running:
                first.kill()
                kills.add(1)
            go_on(first)
            code = first.wait()
            if code not in {0, 3} and not (is_killed and was_running):
                problems.append(f"the first ended with exit code {code}: {first.communicate()[1][-300:]}")
        problems += self.problems(folder, kills)
        self.tried += 1
        how = "then killed" if is_killed else "then going on"
        self.violations += [f"{self.pair}, the first stopped {point}, {how}: {problem}" for problem in problems]


def _read(folder: Path) -> Iterator[str]:
    """Commands that read need no lock, and change nothing in the checkpoint."""
    if not (folder / "job" / "job.toml").exists():
        return
    before = snapshot(folder / "job")
    for words in READERS:
        done = batchrun(*words, cwd=folder)
        if done.returncode != 0:
            yield f"{words[0]}: exit code {done.returncode}: {done.stderr[-300:]}"
    after = snapshot(folder / "job")
    yield from (
        f"a reader has changed {name}"
        for name in before
        if before[name][2] != after.get(name, (0, 0, ""))[2] and not name.endswith("-shm")
    )


def _turned_away(code: int, said: str, before: Mapping[str, object], after: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with the end of a command that was turned away, or that found no job."""
    if code not in {75, 2}:
        yield f"the second ended with exit code {code}: {said[-300:]}"
    if code == 75 and "nothing was changed" not in said:
        yield f"the second said: {said[-300:]}"
    for name in before.keys() | after.keys():
        if before.get(name) != after.get(name):
            yield f"the second ended with exit code {code}, and has changed {name}"
