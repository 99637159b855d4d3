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
from typing import TypeAlias

from tests.benchmarks.running import Cost, Used, batchrun, cost, inputs
from tests.benchmarks.server import serving
from tests.benchmarks.table import Line
from tests.contract.certificates import make_certificate

PLACES = 3_000
"""Requests at one time, in one process as on two workers. Each row waits some 0.1 s longer for a driver than for a
checkpoint in the same process; with fewer places, that bounds the rate."""


_DRIVER = "CPU a row of the driver of two workers, `{}`, against one process"

_KINDS = ("sync", "sync over TLS", "async")


def measure(runs: int, short: bool) -> list[Line]:
    """Both sides in turns."""
    if importlib.util.find_spec("ray") is None:
        return [Line(_DRIVER.format(name), [], "×", note="Ray is not installed") for name in _KINDS]
    rows, seconds = (200, 0.2) if short else (20_000, 2.0)
    sync, over_tls, polling = list[_Pair](), list[_Pair](), list[_Pair]()
    with inputs(rows, 3 * rows) as files, ray_folder(), _certificate() as tls:
        for _ in range(runs):
            sync.append(_both(lambda size, *more: _sync(files[size], *more), rows, short))
            over_tls.append(_both(lambda size, *more: _sync(files[size], *more, tls=tls), rows, short))
            polling.append(_both(lambda size, *more: _polling(files[size], seconds, *more), rows, short))
    how = "start and end included" if short else f"from {rows:,} to {3 * rows:,} rows, {PLACES:,} requests at a time"
    return [
        *_lines(_KINDS[0], sync, (0.40, 0.30), 0.95, how),
        *_lines(_KINDS[1], over_tls, (None, None), 1.3, how),
        *_lines(_KINDS[2], polling, (0.25, 0.18), None, how),
    ]


@contextmanager
def ray_folder() -> Iterator[None]:
    """A folder for Ray, whose path is short, because a socket can have no long one."""
    folder = tempfile.mkdtemp(prefix="r", dir="/tmp")
    os.environ["RAY_TMPDIR"] = folder
    try:
        yield
    finally:
        del os.environ["RAY_TMPDIR"]
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _certificate() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as folder:
        made = make_certificate(Path(folder))
        yield made.path, str(made.key)


_Pair: TypeAlias = tuple[Cost, Cost]
"""What a row costs in one process, and on two workers."""


def _both(job: Callable[..., Used], rows: int, short: bool) -> _Pair:
    return cost(job, rows, short), cost(lambda size: job(size, "--workers", 2), rows, short)


def _sync(rows: Path, *more: object, tls: tuple[str, str] | None = None) -> Used:
    with serving(tls=tls) as server:
        trusting = ["--ca-file", tls[0]] if tls else []
        return batchrun(server, rows, "--mode", "sync", "-j", PLACES, "--max-connections", PLACES, *trusting, *more)


def _polling(rows: Path, seconds: float, *more: object) -> Used:
    with serving("--duration", seconds) as server:
        places = ["-j", 20_000, "--max-connections", PLACES]
        return batchrun(server, rows, *places, "--poll-initial", 0.4 * seconds, "--poll-max", 30, *more)


def _lines(
    name: str,
    pairs: Sequence[_Pair],
    bounds: tuple[float | None, float | None],
    least_rate: float | None,
    how: str,
) -> list[Line]:
    (one, one_wall), (driver, wall) = (
        (statistics.median(found.own for found in side) * 1e6, statistics.median(found.wall for found in side))
        for side in zip(*pairs, strict=True)
    )
    drivers = [driver for _, driver in pairs]
    daemons = statistics.median(found.cpu - found.own for found in drivers) * 1e6
    workers = statistics.median(found.actors for found in drivers) * 1e6
    used = (
        f"{driver:.0f} µs against {one:.0f} µs of all of one process; {workers:.0f} µs for the workers, "
        f"{daemons:.0f} µs for Ray's daemons; {how}"
    )
    service = statistics.median(found.last.stats["cpu"] / max(1, found.last.stats["posts"]) for found in drivers) * 1e6
    speed = (
        f"{1 / wall:,.0f} against {1 / one_wall:,.0f} rows/s, with the service on the same processors: {service:.0f} µs"
    )
    cpu = [driver.own / one.own for one, driver in pairs]
    rates = [one.wall / driver.wall for one, driver in pairs]
    parts = {
        "its loop": [found.loop * 1e6 for found in drivers],
        "its threads of Python: the checkpoint, the input": [found.python * 1e6 for found in drivers],
        "Ray's threads in it": [(found.own - found.loop - found.python) * 1e6 for found in drivers],
    }
    return [
        Line(_DRIVER.format(name), cpu, "×", "<=", *bounds, used),
        *(Line(f"of it, `{name}`: {part}", spent, "µs") for part, spent in parts.items()),
        Line(f"rows a second of two workers, `{name}`, against one process", rates, "×", ">=", least_rate, None, speed),
    ]
