"""CPU a row, against the least that a script over aiohttp can do for the same requests."""

import importlib.util
import statistics
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.running import Used, batchrun, cost, inputs, module
from tests.benchmarks.server import serving
from tests.benchmarks.table import Line

PLACES = 100
"""Requests at one time, on either side."""


def measure(runs: int, short: bool) -> list[Line]:
    """Both sides in turns."""
    rows, seconds = (200, 0.2) if short else (5_000, 2.0)
    sync, polling, polls = list[tuple[float, float]](), list[tuple[float, float]](), list[float]()
    with inputs(rows, 3 * rows) as files:
        for _ in range(runs):
            ours = cost(lambda size: _sync(files[size]), rows, short)
            theirs = cost(lambda size: _bare(files[size], 0, "sync"), rows, short)
            sync.append((ours.cpu, theirs.cpu))
            ours = cost(lambda size: _polling(files[size], seconds), rows, short)
            polls.append(ours.last.stats["polls"] / ours.last.stats["accepted"])
            # The same count, the last one when the run has ended.
            theirs = cost(lambda size: _bare(files[size], seconds, "async", polls[-1], 1.2 * seconds), rows, short)
            polling.append((ours.cpu, theirs.cpu))
    how = f"{PLACES} requests at a time, " + (
        f"{rows:,} rows, start and end included" if short else f"from {rows:,} to {3 * rows:,} rows"
    )
    same = f"runs of {seconds:g} s, {statistics.median(polls):.2f} polls a row on both sides"
    return [
        _line("CPU a row, `sync`, durably, against bare aiohttp", sync, 1.5, 1.18, how),
        _line("CPU a row, `async`, durably, against bare aiohttp", polling, 1.35, 1.1, f"{same}; {how}"),
    ]


def _sync(rows: Path) -> Used:
    with serving() as server:
        return batchrun(server, rows, "--mode", "sync", "-j", PLACES)


def _polling(rows: Path, seconds: float) -> Used:
    with serving("--duration", seconds) as server:
        # Cold, the first poll is too early, and the second finds the end.
        places = ["-j", 20_000, "--max-connections", PLACES]
        return batchrun(server, rows, *places, "--poll-initial", 0.4 * seconds, "--poll-max", 30)


def _bare(rows: Path, seconds: float, *how: object) -> Used:
    with serving("--duration", seconds) as server:
        return module("bare", server, rows, *how)


def _line(name: str, pairs: Sequence[tuple[float, float]], must: float, goal: float, how: str) -> Line:
    ours, theirs = (statistics.median(side) * 1e6 for side in zip(*pairs, strict=True))
    note = f"{ours:.0f} µs against {theirs:.0f} µs; {how}"
    if not importlib.util.find_spec("uvloop"):
        note += "; the bar is without uvloop, which is not installed, and pays for a buffer of 256 KiB an answer"
    # A turn in which more rows have cost less tells of the machine alone.
    ratios = [our / their for our, their in pairs if our > 0 < their]
    return Line(name, ratios, "×", "<=", must, goal, note)
