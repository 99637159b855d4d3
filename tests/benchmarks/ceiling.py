"""Rows a second of one driver, fed by eight workers that answer at once.

They need processors as well: on a machine with few, what is measured is less than the driver can do, and the processor
time of the driver says how much.
"""

import importlib.util
import os
import statistics
import sys
import tempfile
from pathlib import Path

from tests.benchmarks.running import Cost, Used, cost, inputs, run
from tests.benchmarks.table import Line
from tests.benchmarks.workers import ray_folder

WORKERS = 8

_CEILING = "rows a second of one driver, `sync`, fed by eight workers that answer at once"


def measure(runs: int, short: bool) -> list[Line]:
    """Jobs of two sizes in turns."""
    if importlib.util.find_spec("ray") is None:
        return [Line(_CEILING, [], "rows/s", note="Ray is not installed")]
    rows = 500 if short else 100_000
    with inputs(rows, 3 * rows) as files, ray_folder():
        found: list[Cost] = [cost(lambda size: _job(files[size]), rows, short) for _ in range(runs)]
    driver, workers, loop = (
        statistics.median(spent) * 1e6
        for spent in ([one.own for one in found], [one.actors for one in found], [one.loop for one in found])
    )
    note = (
        f"on {os.cpu_count()} processors, of which a row takes {driver:.0f} µs of the driver ({loop:.0f} µs of it in "
        f"its loop) and {workers:.0f} µs of the workers"
    )
    return [Line(_CEILING, [1 / one.wall for one in found], "rows/s", ">=", 30_000, None, note)]


def _job(rows: Path) -> Used:
    with tempfile.TemporaryDirectory(dir=rows.parent) as folder:
        job = ["run", rows, "--workflow-id", "w", "-o", Path(folder, "run"), "--base-url", "http://127.0.0.1:9"]
        fast = ["--rps", 1_000_000, "--poll-rps", 1_000_000, "-j", 16_000, "--max-connections", 16_000]
        how = ["--mode", "sync", "--workers", WORKERS, "--progress", "none", "--json", "-q"]
        return run([sys.executable, "-m", "tests.benchmarks.instant_worker", *job, *fast, *how])
