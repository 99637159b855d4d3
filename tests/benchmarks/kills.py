"""What SIGKILL leaves in doubt, and what the marks that keep this small cost a row."""

import tempfile
import time
from pathlib import Path

from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.marks import Marks
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.events import Accepted, SubmitStarted
from batchrun.domain.row import Row, decide
from tests.benchmarks.table import Line
from tests.support.killed_job import LATE, killed_job

AT_ONCE = 20
"""Rows of a commit, as at 1,000 rows a second."""


def measure(runs: int, short: bool) -> list[Line]:
    """One job that is killed again and again, and the marks alone."""
    kills, rows = (3, 1_000) if short else (100, 100_000)
    with tempfile.TemporaryDirectory() as folder:
        job = killed_job(Path(folder), kills)
    how = f"{kills} kills at 50 rows/s, each within 0.5 s of the first POST; the service answers after 2 ms"
    wrong = len(job.never_received) + len(job.answered_before)
    return [
        Line("rows in doubt after SIGKILLs", [len(job.in_doubt)], "", "<=", 25, None, how),
        Line(f"… never received, or answered {LATE * 1000:g} ms before the kill", [wrong], "", "<=", 1, 0),
        Line("… submitted twice", [len(job.submitted_twice)], "", "<=", 0, 0),
        Line("CPU a row of the marks", [_marks(rows) for _ in range(runs)], "µs", "<=", 2, None, f"{rows:,} rows"),
    ]


def _marks(rows: int) -> float:
    """Microseconds that the marks of a row cost: its intent, its POST, its answer, its commit."""
    with tempfile.TemporaryDirectory() as folder, Checkpoint(Path(folder) / "checkpoint.db") as checkpoint:
        marks = Marks(checkpoint, Path(folder) / "checkpoint.marks", checkpoint.begin_session(0, "1"))
        marks.start(100)
        started, accepted = SubmitStarted(0), Accepted("7540000000000000000", "pending", 1_760_000_000_000, 1)
        submitting = [decide(Row(number), started) for number in range(rows)]
        running = [Entry(decide(row, accepted), accepted) for row in submitting]
        intents, no_errors = [Entry(row, started) for row in submitting], [None] * AT_ONCE
        before = time.process_time()
        for first in range(0, rows, AT_ONCE):
            for row in submitting[first : first + AT_ONCE]:
                marks.record(row, started)
            marks.committed(intents[first : first + AT_ONCE], no_errors)
            for entry in running[first : first + AT_ONCE]:
                marks.sent(entry.row.row)
                marks.record(entry.row, accepted)
            marks.committed(running[first : first + AT_ONCE], no_errors)
        used = time.process_time() - before
        marks.close()
    return used / rows * 1e6
