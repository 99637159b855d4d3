"""Rows a second of one driver, fed by workers that answer at once.

They need processors as well: on a machine with few, eight of them show less than the driver can do, and two show more.
"""

import importlib.util
import os
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from tests.benchmarks.running import Cost, Used, cost, inputs, run
from tests.benchmarks.table import Line
from tests.benchmarks.workers import ray_folder

_CEILING = "rows a second of one driver, `sync`, fed by {} workers that answer at once"


def measure(runs: int, short: bool) -> list[Line]:
    """Jobs of two sizes in turns, of each number of workers."""
    if importlib.util.find_spec("ray") is None:
        return [Line(_CEILING.format(number), [], "rows/s", note="Ray is not installed") for number in (8, 2)]
    rows = 500 if short else 100_000
    found: dict[int, list[Cost]] = {8: [], 2: []}
    with inputs(rows, 3 * rows) as files, ray_folder():
        for _ in range(runs):
            for number, costs in found.items():
                costs.append(cost(partial(_job, files, number), rows, short))
    return [_line(number, costs) for number, costs in found.items()]


def _line(number: int, found: Sequence[Cost]) -> Line:
    driver, workers, loop = (
        statistics.median(spent) * 1e6
        for spent in ([one.own for one in found], [one.actors for one in found], [one.loop for one in found])
    )
    note = (
        f"on {os.cpu_count()} processors, of which a row takes {driver:.0f} µs of the driver ({loop:.0f} µs of it in "
        f"its loop) and {workers:.0f} µs of the workers"
    )
    least = 30_000 if number == 8 else None
    return Line(_CEILING.format(number), [1 / one.wall for one in found], "rows/s", ">=", least, None, note)


def _job(files: Mapping[int, Path], workers: int, size: int) -> Used:
    rows = files[size]
    with tempfile.TemporaryDirectory(dir=rows.parent) as folder:
        job = ["run", rows, "--workflow-id", "w", "-o", Path(folder, "run")]
        service = ["--base-url", "http://127.0.0.1:9", "--api", "v1"]  # nobody is asked
        fast = ["--rps", 1_000_000, "--poll-rps", 1_000_000, "-j", 16_000, "--max-connections", 16_000]
        how = ["--mode", "sync", "--workers", workers, "--progress", "none", "--json", "-q"]
        return run([sys.executable, "-m", "tests.benchmarks.instant_worker", *job, *service, *fast, *how])
