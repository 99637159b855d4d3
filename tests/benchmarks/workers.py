"""What the driver of several workers costs, against a job in one process: the same rows, the same service.

The driver's processor time is all of its process: its loop, the writer of the checkpoint, and Ray's threads in it.
Ray's daemons are told beside it; the workers come on top.
"""

import importlib.util
import os
import shutil
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.benchmarks.running import Cost, Used, batchrun, cost, inputs, module
from tests.benchmarks.server import serving
from tests.benchmarks.table import Line

PLACES = 1_000
"""Requests at one time, in one process as on two workers. Each row waits some 0.1 s longer for a driver than for a
checkpoint in the same process; with few places, that bounds the rate."""


_DRIVER = "CPU a row of the driver of two workers, `{}`, against one process"


def measure(runs: int, short: bool) -> list[Line]:
    """Both sides in turns."""
    names = ("sync", "async")
    if importlib.util.find_spec("ray") is None:
        return [Line(_DRIVER.format(name), [], "×", note="Ray is not installed") for name in names]
    rows, seconds = (200, 0.2) if short else (20_000, 2.0)
    sync, polling = list[tuple[Cost, Cost]](), list[tuple[Cost, Cost]]()
    alone = list[Cost]()
    with inputs(rows, 3 * rows) as files, _ray_folder():
        for _ in range(runs):
            sync.append(_both(lambda size, *more: _sync(files[size], *more), rows, short))
            alone.append(cost(lambda size: _alone(files[size]), rows, short))
            polling.append(_both(lambda size, *more: _polling(files[size], seconds, *more), rows, short))
    how = "start and end included" if short else f"from {rows:,} to {3 * rows:,} rows, {PLACES:,} requests at a time"
    ratios = [found.actors / engine.own for (_, found), engine in zip(sync, alone, strict=True)]
    worker, engine = (statistics.median(spent) * 1e6 for spent in ([d.actors for _, d in sync], [e.own for e in alone]))
    note = (
        f"{worker:.0f} µs of both workers against {engine:.0f} µs of one engine, whose journal drops everything; {how}"
    )
    return [
        *_lines(names[0], sync, (0.40, 0.30), how),
        Line("CPU a row of the workers, `sync`, against the engine alone", ratios, "×", "<=", 1.15, None, note),
        *_lines(names[1], polling, (0.25, 0.18), how),
    ]


@contextmanager
def _ray_folder() -> Iterator[None]:
    """A folder for Ray, whose path is short, because a socket can have no long one."""
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
    os.environ["RAY_TMPDIR"] = folder
    try:
        yield
    finally:
        del os.environ["RAY_TMPDIR"]
        shutil.rmtree(folder, ignore_errors=True)


def _both(job: Callable[..., Used], rows: int, short: bool) -> tuple[Cost, Cost]:
    return cost(job, rows, short), cost(lambda size: job(size, "--workers", 2), rows, short)


def _sync(rows: Path, *more: object) -> Used:
    with serving() as server:
        return batchrun(server, rows, "--mode", "sync", "-j", PLACES, *more)


def _alone(rows: Path) -> Used:
    with serving() as server:
        options = ('mode="sync"', f"max_in_flight={PLACES}", f"max_connections={PLACES}")
        return module("engine_alone", server, rows, *options)


def _polling(rows: Path, seconds: float, *more: object) -> Used:
    with serving("--duration", seconds) as server:
        places = ["-j", 20_000, "--max-connections", PLACES]
        return batchrun(server, rows, *places, "--poll-initial", 0.4 * seconds, "--poll-max", 30, *more)


def _lines(name: str, pairs: Sequence[tuple[Cost, Cost]], bounds: tuple[float, float], how: str) -> list[Line]:
    (one, one_wall), (driver, wall) = (
        (statistics.median(found.own for found in side) * 1e6, statistics.median(found.wall for found in side))
        for side in zip(*pairs, strict=True)
    )
    drivers = [driver for _, driver in pairs]
    daemons = statistics.median(found.cpu - found.own for found in drivers) * 1e6
    used = f"{driver:.0f} µs against {one:.0f} µs of all of one process, and {daemons:.0f} µs for Ray's daemons; {how}"
    speed = f"{1 / wall:,.0f} against {1 / one_wall:,.0f} rows/s, with the service on the same processors"
    cpu = [driver.own / one.own for one, driver in pairs]
    rates = [one.wall / driver.wall for one, driver in pairs]
    parts = {
        "its loop": [found.loop * 1e6 for found in drivers],
        "the writer of its checkpoint": [found.python * 1e6 for found in drivers],
        "Ray's threads in it": [(found.own - found.loop - found.python) * 1e6 for found in drivers],
    }
    return [
        Line(_DRIVER.format(name), cpu, "×", "<=", *bounds, used),
        *(Line(f"of it, `{name}`: {part}", spent, "µs") for part, spent in parts.items()),
        Line(f"rows a second of two workers, `{name}`, against one process", rates, "×", ">=", 0.95, None, speed),
    ]
