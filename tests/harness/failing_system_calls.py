"""System calls of a command fail from the beginning or from a moment on, and it is run again without that."""

import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from batchrun.errors import ExitCode
from tests.harness.figures import Figure, NotPossibleError
from tests.support.command import batchrun, rows_file, simulator
from tests.support.failing_calls import can_fail, fail

ROWS = 60
CALLS: Sequence[tuple[tuple[str, ...], str]] = (
    (("fdatasync",), "EIO"),
    (("pwrite64",), "ENOSPC"),
    (("fsync",), "EIO"),
    (("pwrite64",), "EDQUOT"),
    (("pwrite64",), "EIO"),
    (("rename", "renameat", "renameat2"), "EIO"),
)
"""The calls, and their error."""


def tried(kinds: int, moments: Sequence[float], folder: Path) -> Figure:
    """Let the first so many kinds of calls fail, from each of these moments on (seconds)."""
    if not can_fail():
        raise NotPossibleError("system calls can be made to fail only by the kernel of Linux (seccomp)")
    wrong, codes = list[str](), Counter[int]()
    with simulator(folder, "--any-workflow", "true", "--duration", "0.1") as service:
        for calls, error in CALLS[:kinds]:
            for after in moments:
                what = f"{calls[0]} fails with {error} after {after:g} s"
                (place := folder / what).mkdir()
                rows_file(place, ROWS)
                job = ["run", "rows.csv", "--workflow-id", what.replace(" ", "-"), "--base-url", service.base_url,
                       "-o", "job", "--rps", "60", "--poll-initial", "0.1", "--progress", "none"]  # fmt: skip
                first = batchrun(*job, cwd=place, before=partial(fail, calls, error, after))
                codes[first.returncode] += 1
                wrong += [f"{what}: {problem}" for problem in _problems(place, job, first)]
        if repeated := service.stats()["runs_repeated"]:
            wrong.append(f"{repeated} rows were submitted twice")
    note = ", ".join(f"{count} × exit code {code}" for code, count in sorted(codes.items()))
    return Figure("system calls of the command fail from a moment on, and it is run again", codes.total(), wrong, note)


def _problems(place: Path, job: Sequence[str], first: "subprocess.CompletedProcess[str]") -> Iterator[str]:
    if first.returncode not in {ExitCode.OK, ExitCode.USAGE, ExitCode.STORAGE}:
        yield f"exit code {first.returncode}: {first.stderr}"
    if first.returncode and "job/" not in first.stderr and "job:" not in first.stderr:
        yield f"the message names no file: {first.stderr}"
    again = batchrun(*job, "--rps", "2000", "--json", cwd=place)
    if again.returncode not in {ExitCode.OK, ExitCode.ROW_ERRORS}:
        yield f"then exit code {again.returncode}: {again.stderr}"
        return
    rows = [row for name in ("outputs", "errors") for row in pq.read_table(place / "job" / f"{name}.parquet")["row"]]
    if sorted(row.as_py() for row in rows) != list(range(ROWS)):
        yield "the results do not have every row once"
    if json.loads(again.stdout)["failed"]:
        yield "rows have failed"
