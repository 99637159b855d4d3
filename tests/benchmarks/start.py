"""How long commands take that only say something: `--help`, and `status` of a job of a million rows. Wall time."""

from tests.benchmarks.finished import finished_job, timed
from tests.benchmarks.table import Line


def measure(runs: int, short: bool) -> list[Line]:
    """Their lines."""
    job, rows = finished_job(short)
    timed("--help")  # compiles what was not yet
    return [
        Line("`batchrun --help`", [timed("--help").seconds for _ in range(runs)], "s", must=0.3, goal=0.12),
        Line(
            f"`batchrun status`, {rows:,} rows",
            [timed("status", job).seconds for _ in range(runs)],
            "s",
            must=0.5,
            goal=0.25,
        ),
    ]
