"""`batchrun export` of a million rows with outputs of 500 bytes: wall time, and the peak of its memory."""

from tests.benchmarks.finished import finished_job, timed
from tests.benchmarks.table import Line


def measure(runs: int, short: bool) -> list[Line]:
    """Its lines."""
    job, rows = finished_job(short)
    done = [timed("export", job, "--to", job.parent / "exported") for _ in range(runs)]
    return [
        Line(f"`batchrun export`, {rows:,} rows", [one.seconds for one in done], "s", must=20.0, goal=8.0),
        Line("its peak memory", [one.megabytes for one in done], "MB", must=180.0),
    ]
