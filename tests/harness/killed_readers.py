"""Commands that write views of a job, killed at chosen points and given again: each file is the old or the new one."""

import json
import random
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from functools import partial
from io import BytesIO
from pathlib import Path

from tests.harness.killed_at_points import AT_ONCE, Moment, before, moments_of
from tests.harness.killed_jobs import KINDS
from tests.support.commands_at_once import Command, Job, run_at_once
from tests.support.journalled_simulator import SimulatedService
from tests.support.kill_points import record_sites

FORMATS = ("parquet", "csv", "jsonl", "xlsx")

READERS: Mapping[str, tuple[object, ...]] = {
    "export": ("export", "job"),
    **{f"export-{form}": ("export", "job", "--format", form, "--to", "out") for form in FORMATS},
    "score": ("score", "job", "--score", "again=exact:echo.text:'row 6'"),
    "report": ("report", "job", "--to", "out/report.html"),
}  # fmt: skip

CHECKPOINT_FILES = ("checkpoint.db", "job.toml", "progress.json")
"""What a reader never changes."""


class ReaderTrial:
    """One command, on copies of one job."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.kills = 0
        self.violations = list[str]()
        self._sites = list[str]()
        self._new: Mapping[str, bytes] = {}

    def run(self, part: int, parts: int, limit: int) -> None:
        """Kill at every `parts`-th of `limit` moments."""
        run_at_once([self._prepared], 1)
        moments = moments_of(self._sites, 0, random.Random(self.name), limit)
        chosen = list(enumerate(moments))[part::parts]
        run_at_once([partial(self._killed, number, moment) for number, moment in chosen], AT_ONCE)

    def _prepared(self, service: SimulatedService) -> Job:
        """A job with results that are older than its checkpoint, and what the command makes of it."""
        kind, folder, old = KINDS["async"], self.folder / "whole", self.folder / "old"
        kind.write_rows(folder)
        service.begin(*kind.simulator)
        (folder / "out").mkdir()
        for arguments in (
            (*kind.run(service.url), "--limit", 5), READERS[self.name], kind.run(service.url),
        ):  # fmt: skip
            ended = yield Command(arguments, folder)
            assert ended.code in {0, 3}, ended
            if not old.exists() and arguments == READERS[self.name]:
                shutil.copytree(folder, old)
        for name in CHECKPOINT_FILES:
            shutil.copy2(folder / "job" / name, old / "job" / name)
        shutil.copytree(old, self.folder / "new")
        ended = yield Command(
            READERS[self.name], self.folder / "new", partial(record_sites, self.folder / "sites.json")
        )
        assert ended.code == 0, ended
        self._sites = json.loads((self.folder / "sites.json").read_text())

    def _killed(self, number: int, moment: Moment, _service: SimulatedService) -> Job:
        folder = self.folder / str(number)
        shutil.copytree(self.folder / "old", folder)
        ended = yield Command(READERS[self.name], folder, before(moment))
        problems = list[str]()
        if ended.was_killed:
            self.kills += 1
            problems += self._torn(folder)
        ended = yield Command(READERS[self.name], folder)
        if ended.code != 0:
            problems.append(f"exit code {ended.code}: {ended.stderr[-500:]}")
        problems += self._different(folder)
        self.violations += [f"{self.name}, killed {moment}: {problem}" for problem in problems]
        shutil.rmtree(folder)

    def _torn(self, folder: Path) -> Iterator[str]:
        """Files that are neither the old nor the new ones."""
        old, new, found = (contents(path) for path in (self.folder / "old", self.folder / "new", folder))
        for name, content in found.items():
            if (
                "/." not in name
                and not name.endswith(("-wal", "-shm"))
                and content not in {old.get(name), new.get(name)}
            ):
                yield f"{name} is neither the old one nor the new one"
        yield from (f"{name} is gone" for name in old.keys() - found.keys())

    def _different(self, folder: Path) -> Iterator[str]:
        """Files that are not those of the undisturbed command."""
        new, found = contents(self.folder / "new"), contents(folder)
        yield from (f"{name} is not as it should be" for name in new.keys() & found.keys() if new[name] != found[name])
        yield from (f"{name} is missing or too many" for name in new.keys() ^ found.keys())


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name, without what differs from time to time."""
    return {str(path.relative_to(folder)): _comparable(path) for path in folder.rglob("*") if path.is_file()}


def _comparable(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix == ".html":  # it has the time in it, and random names
        return b"whole" if content.rstrip().endswith(b"</html>") else content
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = [name for name in archive.namelist() if not name.startswith("docProps/")]
            return b"".join(archive.read(name) for name in names)
    return content
