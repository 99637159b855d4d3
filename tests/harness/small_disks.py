"""Real disks that are full: of any size, at any moment, and under a command. It runs within `in_namespace`."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq

from batchrun.errors import ExitCode
from tests.harness.figures import Chunk, Figure
from tests.harness.full_disk import first_problems, later_problems
from tests.support.command import Service, batchrun, rows_file, simulator
from tests.support.rehearsal import Rehearsal
from tests.support.small_disk import SmallDisk

ROWS = 40
FAULTS = ("latency=0.2", "fault=fail:id=3", "duration=1")
LARGEST, LAST_MS = 1600, 4000
"""KiB that are enough for the job, and milliseconds that it takes."""
ROOM = 64 << 10
"""KiB that are enough for everything."""


def main(chunk: Chunk, folder: Path) -> Sequence[Figure]:
    """Try disks of these sizes, those that get full at these moments, and these commands."""
    first_size, size_step, first_ms, ms_step = map(int, chunk[1:5])
    sizes, moments = range(first_size, LARGEST, size_step), range(first_ms, LAST_MS, ms_step)
    small = [f"{kib} KiB: {problem}" for kib in sizes for problem in _small(folder / f"{kib}", kib)]
    filled = [f"after {ms} ms: {problem}" for ms in moments for problem in _filled(folder / f"{ms} ms", ms)]
    commands = [COMMANDS[name] for name in str(chunk[5]).split()]
    figures = [
        Figure("a disk of any size, which is then made larger", len(sizes), small),
        Figure("a disk that is full from any moment on, until there is room again", len(moments), filled),
        Figure("a full or read-only disk under a command, which then goes on", len(commands), _told(commands, folder)),
    ]
    return [figure for figure in figures if figure.tried]


def _job(folder: Path) -> Rehearsal:
    rehearsal = Rehearsal(folder, [{"id": str(row), "text": "x" * 2000} for row in range(ROWS)], *FAULTS)
    rehearsal.options |= {"rps": 20}
    rehearsal.on_prepared = lambda prepared: prepared.marks.start(2)
    return rehearsal


def _small(folder: Path, kib: int) -> list[str]:
    folder.mkdir()
    disk = SmallDisk(folder / "job", max(4, kib))
    try:
        rehearsal = _job(folder)
        problems = first_problems(rehearsal)
        disk.resize(ROOM)
        return problems + later_problems(rehearsal)
    finally:
        disk.unmount()


def _filled(folder: Path, milliseconds: int) -> list[str]:
    """The disk gets full so long after the first request."""
    folder.mkdir()
    disk = SmallDisk(folder / "job", 12 << 10)
    try:
        rehearsal = _job(folder)
        rehearsal.scheduled = [(milliseconds / 1000, disk.fill)]
        problems = first_problems(rehearsal)
        if (disk.folder / "filler").exists():
            disk.free()
        return problems + later_problems(rehearsal)
    finally:
        disk.unmount()


# -- the installed command


def _told(commands: "Sequence[Command]", folder: Path) -> list[str]:
    if not commands:
        return []
    told = list[str]()
    with simulator(folder, "--any-workflow", "true", "--duration", "0.1") as service:
        for command in commands:
            (place := folder / command.__name__.strip("_")).mkdir()
            disk = SmallDisk(place / "disk", ROOM)
            told += [f"{place.name}: {problem}" for problem in command(place, disk, service)]
            disk.unmount()
        if repeated := service.stats()["runs_repeated"]:
            told.append(f"{repeated} rows were submitted twice")
    return told


def _run(place: Path, service: Service, rows: int, *options: object) -> Callable[[], subprocess.CompletedProcess[str]]:
    rows_file(place, rows)
    job = ["run", "rows.csv", "--workflow-id", place.name, "--base-url", service.base_url, "--rps", 2000,
           "--max-in-flight", 5000, "--max-connections", 4, "--poll-rps", 2000, "--poll-initial", 0.1,
           "--progress", "none", *options]  # fmt: skip
    return lambda: batchrun(*job, cwd=place)


def _ended(done: subprocess.CompletedProcess[str], code: int, *words: str) -> Iterator[str]:
    if done.returncode != code or not all(word in done.stderr for word in words):
        yield f"exit code {done.returncode} and {done.stderr!r}, not {code} and {words}"


def _complete(folder: Path, rows: int) -> Iterator[str]:
    if (found := pq.read_table(folder / "outputs.parquet")["row"].to_pylist()) != list(range(rows)):
        yield f"{len(found)} results of {rows} rows"


def _checkpoint(place: Path, disk: SmallDisk, service: Service) -> Iterator[str]:
    """The checkpoint cannot grow: the answers in the air are recorded in the reserve."""
    disk.resize(1000)
    run, before = _run(place, service, 600, "-o", "disk/job", "--json"), service.stats()["posts"]
    done = run()
    yield from _ended(done, ExitCode.STORAGE, "disk/job", "Make room")
    summary, posts = json.loads(done.stdout), service.stats()["posts"] - before
    if not 0 < posts < 600:
        yield "the disk was not full in the middle of the work"
    if (summary["in_doubt"], summary["submissions"]) != (0, posts):
        yield f"{summary['in_doubt']} rows in doubt, {summary['submissions']} submissions counted of {posts}"
    disk.resize(ROOM)
    yield from _ended(run(), ExitCode.OK)
    yield from _complete(disk.folder / "job", 600)
    if (posts := service.stats()["posts"] - before) != 600:
        yield f"{posts} requests for 600 rows"


def _results(place: Path, disk: SmallDisk, service: Service) -> Iterator[str]:
    """Only the results cannot be written."""
    run = _run(place, service, 100, "-o", "disk/job", "--checkpoint-dir", "local")
    disk.resize(16)
    yield from _ended(run(), ExitCode.STORAGE, "outputs.parquet", "No space left on device")
    before = service.stats()["posts"]
    disk.resize(ROOM)
    yield from _ended(run(), ExitCode.OK)
    yield from _complete(disk.folder / "job", 100)
    if service.stats()["posts"] != before:
        yield "rows were sent again"


def _export(place: Path, disk: SmallDisk, service: Service) -> Iterator[str]:
    yield from _ended(_run(place, service, 300, "-o", "job")(), ExitCode.OK)
    disk.fill()
    for form in ("parquet", "csv", "jsonl", "xlsx"):
        export = ["export", "job", "--to", "disk", "--format", form]
        yield from _ended(batchrun(*export, cwd=place), ExitCode.STORAGE, f"outputs.{form}", "No space left on device")
        if left := [path.name for path in disk.folder.iterdir() if path.name != "filler"]:
            yield f"{form}: {left} stay behind"
    disk.free()
    yield from _ended(batchrun("export", "job", "--to", "disk", cwd=place), ExitCode.OK)
    yield from _complete(disk.folder, 300)


def _report(place: Path, disk: SmallDisk, service: Service) -> Iterator[str]:
    yield from _ended(_run(place, service, 3, "-o", "job")(), ExitCode.OK)
    disk.fill()
    report = ["report", "job", "-o", "disk/report.html"]
    yield from _ended(batchrun(*report, cwd=place), ExitCode.STORAGE, "report.html", "No space left on device")
    disk.free()
    yield from _ended(batchrun(*report, cwd=place), ExitCode.OK)


def _scores(place: Path, disk: SmallDisk, service: Service) -> Iterator[str]:
    yield from _ended(_run(place, service, 3, "-o", "disk/job")(), ExitCode.OK)
    disk.fill()
    score = ["score", "disk/job", "--score", "found=contains::'row'"]
    yield from _ended(batchrun(*score, cwd=place), ExitCode.STORAGE, "scores.parquet", "No space left on device")
    disk.free()
    yield from _ended(batchrun(*score, cwd=place), ExitCode.OK)


def _read_only(place: Path, disk: SmallDisk, service: Service) -> Iterator[str]:
    run = _run(place, service, 20, "-o", "disk/job", "--max-submissions", 5)
    yield from _ended(run(), ExitCode.STOPPED)
    before = service.stats()["posts"]
    disk.set_read_only(on=True)
    yield from _ended(_run(place, service, 20, "-o", "disk/new")(), ExitCode.USAGE, "disk/new", "Read-only")
    yield from _ended(batchrun("resume", "disk/job", cwd=place), ExitCode.USAGE, "disk/job", "Make it writable")
    yield from _ended(
        batchrun("export", "disk/job", "--to", "disk/x", cwd=place), ExitCode.USAGE, "disk/x", "Read-only"
    )
    yield from _ended(batchrun("status", "disk/job", cwd=place), ExitCode.OK)
    yield from _ended(batchrun("export", "disk/job", "--to", "copy", cwd=place), ExitCode.OK)
    yield from _complete(place / "copy", 5)
    if service.stats()["posts"] != before:
        yield "rows were sent"
    disk.set_read_only(on=False)
    yield from _ended(batchrun("resume", "disk/job", "--max-submissions", 100, cwd=place), ExitCode.OK)
    yield from _complete(disk.folder / "job", 20)


Command = Callable[[Path, SmallDisk, Service], Iterator[str]]

COMMANDS: dict[str, Command] = {
    "checkpoint": _checkpoint,
    "results": _results,
    "export": _export,
    "report": _report,
    "scores": _scores,
    "read_only": _read_only,
}

if __name__ == "__main__":
    tried = main(tuple(json.loads(sys.argv[1])), Path(sys.argv[2]))
    print(json.dumps([asdict(figure) for figure in tried]))  # noqa: T201
