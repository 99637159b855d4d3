"""What a row costs two workers, against an engine alone that is at work beside them.

The engine's journal drops everything, so what a worker costs more is the price of its driver. Both are compared in
windows of a few seconds in which both work, so that all suffer equal contention.
"""

import importlib.util
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tests.benchmarks.running import BATCHRUN, environment, inputs, processor_seconds
from tests.benchmarks.server import ROOT, Server, serving
from tests.benchmarks.table import Line
from tests.benchmarks.workers import PLACES, ray_folder

_NAME = "CPU a row of the workers, `sync`, against an engine alone beside them"

WINDOW = 4.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Up to now: the rows that the workers and the engine have sent, and the seconds that each has used for it."""

    rows: tuple[int, int]
    used: tuple[float, float]


def measure(runs: int, short: bool) -> list[Line]:
    """A job a run, and as many figures as it has windows."""
    if importlib.util.find_spec("ray") is None:
        return [Line(_NAME, [], "×", note="Ray is not installed")]
    rows, window = (3_000, 0.2) if short else (60_000, WINDOW)
    costs = list[tuple[float, float]]()
    with inputs(rows, 3 * rows) as files, ray_folder():
        for _ in range(runs):
            costs += _windows(files, rows, window)
    note = "no window in which both were at work"
    if costs:
        workers, engine = (statistics.median(side) * 1e6 for side in zip(*costs, strict=True))
        note = (
            f"{workers:.0f} µs against {engine:.0f} µs; windows of {window:g} s, {PLACES // 2:,} requests at a time in "
            "each process"
        )
    return [Line(_NAME, [worker / engine for worker, engine in costs], "×", "<=", 1.15, None, note)]


def _windows(files: Mapping[int, Path], rows: int, window: float) -> list[tuple[float, float]]:
    """Seconds a row of the workers and of the engine, in each window; the engine is faster, and has more rows."""
    with serving() as one, serving() as other, _job(one, files[rows]), _engine(other, files[3 * rows]) as engine:
        readings = list[Reading]()
        while engine.poll() is None and (not readings or readings[-1].rows[0] < rows):
            found = Reading(
                (one.stats()["posts"], other.stats()["posts"]),
                (processor_seconds("ray::Worker"), processor_seconds("tests.benchmarks.engine_alone")),
            )
            if min(found.rows) > PLACES:  # both have begun
                readings.append(found)
            time.sleep(window)  # noqa: TID251 - the processes are real
    return [_costs(before, after) for before, after in pairwise(readings[:-1])]  # one may have ended in the last one


def _costs(before: Reading, after: Reading) -> tuple[float, float]:
    workers, engine = (
        (after.used[side] - before.used[side]) / (after.rows[side] - before.rows[side]) for side in (0, 1)
    )
    return workers, engine


@contextmanager
def _job(server: Server, rows: Path) -> Iterator[None]:
    """A job on two workers, which has begun to send. Raises RuntimeError if it ends before."""
    with tempfile.TemporaryDirectory(dir=rows.parent) as folder:
        words = [
            BATCHRUN, "run", rows, "--workflow-id", "w", "-o", Path(folder, "run"), "--base-url", server.url,
            "--rps", 1_000_000, "--mode", "sync", "-j", PLACES, "--max-connections", PLACES, "--workers", 2, "-q",
            "--progress", "none",
        ]  # fmt: skip
        with _ended(words) as job:
            while not server.stats()["posts"]:
                if job.poll() is not None:
                    raise RuntimeError(f"{words} ended with {job.returncode}")
                time.sleep(0.1)  # noqa: TID251 - the processes are real
            yield


@contextmanager
def _engine(server: Server, rows: Path) -> "Iterator[subprocess.Popen[bytes]]":
    """An engine alone, with as many places as a worker has."""
    options = ('mode="sync"', f"max_in_flight={PLACES // 2}", f"max_connections={PLACES // 2}")
    with _ended([sys.executable, "-m", "tests.benchmarks.engine_alone", server.url, rows, *options]) as engine:
        yield engine


@contextmanager
def _ended(words: list[object]) -> "Iterator[subprocess.Popen[bytes]]":
    """A process that is told to end when the block does."""
    with ExitStack() as stack:
        process = stack.enter_context(
            subprocess.Popen([*map(str, words)], cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL)
        )
        stack.callback(process.terminate)
        yield process
