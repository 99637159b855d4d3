"""From the start of `batchrun resume` to the first bytes of its first request. Wall time.

With `TEN_MILLION=1` in the environment also of ten million finished rows, which takes an hour to make and 10 GB.
"""

import os
from pathlib import Path

from tests.benchmarks.finished import finished_job, resumed
from tests.benchmarks.table import Line

TEN_MILLION = 10_000_000


def measure(runs: int, short: bool) -> list[Line]:
    """Its lines."""
    job, rows = finished_job(short)
    lines = [_line(job, rows, runs, must=2.0, goal=0.5)]
    if os.environ.get("TEN_MILLION") and not short:
        lines.append(_line(*finished_job(rows=TEN_MILLION), runs, must=10.0, goal=2.0))
    return lines


def _line(job: Path, rows: int, runs: int, must: float, goal: float) -> Line:
    name = f"resume with {rows:,} finished rows until the first request"
    return Line(name, [resumed(job) for _ in range(runs)], "s", must=must, goal=goal)
