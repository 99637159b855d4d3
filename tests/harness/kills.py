"""SIGKILL at chosen points of every command, and at random moments of many jobs.

Then the same command is given again until the job ends. The result must be that of an undisturbed job, and the service
must not have been asked twice for a row, unless the row is in doubt and reported so.
"""

from collections.abc import Sequence
from pathlib import Path

from tests.harness.figures import Chunk, Figure
from tests.harness.kill_scenarios import SCENARIOS
from tests.harness.killed_at_points import PointTrial
from tests.harness.killed_at_random import RandomTrial
from tests.harness.killed_readers import READERS, ReaderTrial

POINTS, READ, RANDOM = "points", "readers", "random"

AT_POINTS = "SIGKILL after chosen calls of run, resume, retry and the upgrade of a checkpoint"
OF_READERS = "SIGKILL after chosen calls of export, score and report"
AT_RANDOM = "SIGKILL at random moments of jobs"
ROWS = "rows of these jobs: each in one result file, as undisturbed, and paid for once"

FULL = {"run": 170, "resume": 130, "sync": 60, "sweep": 60, "retry": 70, "resubmit": 60}
FULL_UPGRADE, FULL_READER = 26, 40
SHORT = {"run": 8, "resume": 6, "sync": 3, "retry": 3, "resubmit": 3, "upgrade-1": 6, "upgrade-5": 3}
SHORT_READERS = {"export": 4, "export-csv": 4, "score": 4, "report": 1}
"""How many moments of each command are tried."""

MOMENTS_IN_A_CHUNK = 45

KINDS, JOBS, JOBS_IN_A_CHUNK = ("async", "sync", "sweep", "callbacks", "reuse"), 36, 12
"""Jobs of each kind that are killed at random moments."""


def chunks(full: bool) -> Sequence[Chunk]:
    """The commands with their moments, and the seeds of the random jobs."""
    if not full:
        return [
            *((POINTS, name, 0, 1, limit) for name, limit in SHORT.items()),
            *((READ, name, 0, 1, limit) for name, limit in SHORT_READERS.items()),
            *((RANDOM, name, 0, 2) for name in KINDS),
        ]
    found: list[Chunk] = []
    limits = [(POINTS, name, FULL.get(name, FULL_UPGRADE)) for name in SCENARIOS]
    for what, name, limit in (*limits, *((READ, name, FULL_READER) for name in READERS)):
        parts = -(-limit // MOMENTS_IN_A_CHUNK)
        found += [(what, name, part, parts, limit) for part in range(parts)]
    starts = range(0, JOBS, JOBS_IN_A_CHUNK)
    return [*found, *((RANDOM, name, start, start + JOBS_IN_A_CHUNK) for name in KINDS for start in starts)]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:
    """Kill one command at its moments, or the jobs of these seeds."""
    what, name, *numbers = chunk
    name, (first, second, *limit) = str(name), map(int, numbers)
    if what == RANDOM:
        jobs = RandomTrial(name, folder)
        jobs.run(range(first, second))
        return [Figure(AT_RANDOM, jobs.kills, jobs.violations), Figure(ROWS, jobs.rows)]
    if what == READ:
        reader = ReaderTrial(name, folder)
        reader.run(first, second, limit[0])
        return [Figure(OF_READERS, reader.kills, reader.violations)]
    trial = PointTrial(name, folder)
    trial.run(first, second, limit[0])
    return [Figure(AT_POINTS, trial.kills, trial.violations), Figure(ROWS, trial.rows)]
