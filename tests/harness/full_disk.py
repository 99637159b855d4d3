"""A disk that is full, read-only or broken: the command says so and ends, and goes on where it was once that is mended.

* `failing`: the n-th creation, write, sync, renaming or deletion of a file fails, or all from the n-th on, for every n;
* `disks`: real disks of any size, which are full from the beginning or at any moment (`tests.harness.small_disks`);
* `calls`: the kernel answers system calls of the command with an error (`tests.harness.failing_system_calls`).

The exit code is 74, or 2 if nothing was sent; the message names the file. After that the same command ends the job:
every row is in the results once, and none was submitted twice.
"""

import errno
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from batchrun.errors import BatchrunError, ExitCode
from tests.harness import failing_system_calls
from tests.harness.figures import Chunk, Figure
from tests.support.recorded_database import recorded_databases
from tests.support.recorded_files import Recorder, recorded_files
from tests.support.rehearsal import Rehearsal
from tests.support.small_disk import in_namespace

ROWS = 4
MOMENT = 0.15
"""Seconds between the moments from which system calls fail."""
FAULTS = ("latency=0.2", "fault=fail:id=3", "duration=1")


def chunks(full: bool) -> Sequence[Chunk]:
    """What fails.

    (failing, operation, error, once | on, first, step), (disks, first KiB, step, first millisecond, step, commands),
    (calls, kinds, first moment, moments).
    """
    if not full:
        return [
            ("failing", "write", "ENOSPC", "on", 30, 40),
            ("failing", "sync", "EIO", "once", 3, 7),
            ("failing", "create", "ENOSPC", "on", 2, 4),
            ("disks", 20, 400, 400, 2000, "checkpoint results read_only"),
            ("calls", 2, 2, 1),
        ]
    kinds = [("create", "ENOSPC"), ("write", "ENOSPC"), ("write", "EIO"), ("sync", "EIO"), ("rename", "EIO"),
             ("delete", "EIO")]  # fmt: skip
    failing = [("failing", *kind, how, start, 4) for kind in kinds for how in ("once", "on") for start in range(1, 5)]
    disks = [("disks", start, 32, 10 * start, 320, "") for start in range(0, 32, 4)]
    everything = "checkpoint results export report scores read_only"
    return [*failing, *disks, ("disks", 1600, 32, 4000, 320, everything), ("calls", 6, 0, 8)]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:
    """Try one piece."""
    match chunk[0]:
        case "failing":
            return [_failing(chunk, folder)]
        case "calls":
            kinds, first, count = map(int, chunk[1:])
            moments = [number * MOMENT for number in range(first, first + count)]
            return [failing_system_calls.tried(kinds, moments, folder)]
    found = json.loads(in_namespace("tests.harness.small_disks", json.dumps(chunk), str(folder)))
    return [Figure(**one) for one in found]


class _Failure:
    """The n-th operation of a kind fails, or all from the n-th on."""

    def __init__(self, operation: str, error: str, n: int, *, once: bool) -> None:
        self._operation, self._errno, self._n, self._once = operation, getattr(errno, error), n, once
        self._seen = 0
        self.where = ""

    def before(self, operation: str, path: Path) -> None:
        self._seen += operation == self._operation
        if operation == self._operation and (self._seen == self._n or (self._seen > self._n and not self._once)):
            self.where = self.where or path.name
            raise OSError(self._errno, os.strerror(self._errno))


def _failing(chunk: Chunk, folder: Path) -> Figure:
    _, operation, error, how, start, step = chunk
    tried, wrong = 0, list[str]()
    for n in range(int(start), 100_000, int(step)):
        (place := folder / str(n)).mkdir()
        failure = _Failure(str(operation), str(error), n, once=how == "once")
        problems = _problems(place, failure)
        if not failure.where:
            break
        tried += 1
        wrong += [f"{chunk}: number {n} ({failure.where}): {problem}" for problem in problems]
        shutil.rmtree(place)
    return Figure("the n-th operation on a file fails, and the command is run again", tried, wrong)


def _problems(folder: Path, failure: _Failure) -> list[str]:
    rehearsal, recorder = Rehearsal(folder, ROWS, *FAULTS), Recorder(folder / "job")
    rehearsal.options |= {"rps": 4}
    rehearsal.on_prepared = lambda prepared: prepared.marks.start(1)
    recorder.follow = lambda _event: None
    recorder.before = failure.before
    with recorded_files(recorder), recorded_databases(recorder, noting=False):
        problems = first_problems(rehearsal)
    return problems + later_problems(rehearsal)


def first_problems(rehearsal: Rehearsal, **options: object) -> list[str]:
    """What is wrong with the end of a command on a disk that may be full or broken."""
    try:
        summary = rehearsal.run(**options)  # type: ignore[arg-type]
        code, said = summary.exit_code, summary.reason or ""
    except BatchrunError as error:
        code, said = error.exit_code, str(error)
    folder = str(rehearsal.folder / "job")
    match code:
        case ExitCode.USAGE if rehearsal.posts():
            return ["exit code 2, though rows were sent"]
        case ExitCode.USAGE | ExitCode.STORAGE if folder not in said:
            return [f"exit code {code}, and the message does not name the file: {said}"]
        case ExitCode.USAGE | ExitCode.STORAGE | ExitCode.OK | ExitCode.ROW_ERRORS:
            return []
    return [f"exit code {code}: {said}"]


def later_problems(rehearsal: Rehearsal) -> list[str]:
    """What is wrong with the end of the job, once the disk is mended."""
    try:
        summary = rehearsal.run()
    except BatchrunError as error:
        return [f"the next command ends with {error}"]
    rows = sorted(rehearsal.row_results())
    problems = (
        [] if summary.exit_code in {ExitCode.OK, ExitCode.ROW_ERRORS} else [f"then exit code {summary.exit_code}"]
    )
    problems += [] if rows == list(range(summary.rows)) else [f"rows in the results: {rows}"]
    repeated = rehearsal.simulator.stats()["runs_repeated"]
    return problems + ([f"{repeated} rows were submitted twice"] if repeated else [])
