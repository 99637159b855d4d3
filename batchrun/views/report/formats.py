"""Times and durations as a report shows them."""

from datetime import UTC, datetime

from batchrun.views.number_format import short_seconds
from batchrun.views.report.model import JobReport


def when(ms: int) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


MILLISECOND = "< 1 ms"


def seconds(value: float | None, smallest: str = MILLISECOND) -> str:
    """A duration for people. `smallest`: what is shown for less than a millisecond."""
    if value is None:
        return "–"
    return smallest if value < 0.001 else short_seconds(value)


def smallest_run(job: JobReport) -> str:
    """What is shown instead of a run time of 0: the clock of a service often has whole seconds."""
    return "< 1 s" if job.rows.by_service else MILLISECOND
