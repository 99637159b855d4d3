"""SIGKILL for workers, and for the driver, at random moments of jobs on two or three workers through Ray."""

import json
import os
import random
import signal
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import pyarrow.parquet as pq

from tests.harness.figures import Chunk, Figure, NotPossibleError
from tests.harness.ray_jobs import ray_folder, started, wait_for
from tests.support.command import Service, batchrun, rows_file, simulator

FULL = 40
AT_ONCE = 2
"""Each has several processes of Ray's and of its own."""
ROWS, RATE = 250, 40
CONNECTIONS = 20


def chunks(full: bool) -> Sequence[Chunk]:
    """A job each: every other one loses a worker, the others lose the driver."""
    return [(("a worker", "the driver")[number % 2], number) for number in range(FULL if full else 1)]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:
    """Run a job, kill, and go on until it has ended."""
    if find_spec("ray") is None:
        raise NotPossibleError("Ray is not installed")
    victim, seed = str(chunk[0]), int(chunk[1])
    chance = random.Random(seed)
    rows_file(folder, ROWS)
    options = ["--max-connections", str(CONNECTIONS), "--rps", str(RATE), "--workers", str(chance.choice((2, 3)))]
    with ray_folder() as ray, simulator(folder, "--duration", "uniform:0.2,2", "--latency", "0.1") as service:
        with started(folder, service.base_url, ray, *options) as job:
            found = wait_for(folder, chance.randint(1, ROWS - 100))
            os.kill(chance.choice(found["workers"])["pid"] if victim == "a worker" else job.pid, signal.SIGKILL)
            out, said = job.communicate(timeout=200)
        if victim == "the driver":
            resumed = batchrun("resume", "job", "--workers", "1", "--json", "--progress", "none", cwd=folder)
            out, said = resumed.stdout, resumed.stderr
        violations = [f"{victim}, seed {seed}: {line}" for line in _violations(folder, service, out, said)]
    return [Figure(f"SIGKILL for {victim} of a job on several workers", 1, violations)]


def _violations(folder: Path, service: Service, out: str, said: str) -> Iterator[str]:
    try:
        summary = json.loads(out)
    except ValueError:
        yield f"no summary: {said[-500:]}"
        return
    stats, doubts = service.stats(), summary["in_doubt"]
    if summary["completed"] + doubts != ROWS:
        yield f"{summary['completed']} completed, {doubts} in doubt: {said[-500:]}"
    if doubts > CONNECTIONS:
        yield f"{doubts} rows in doubt"
    if stats["runs_repeated"]:
        yield f"{stats['runs_repeated']} rows were submitted twice"
    if stats["most_posts_in_a_second"] > RATE:
        yield f"{stats['most_posts_in_a_second']} POSTs in a second"
    rows = [
        row
        for name in ("outputs.parquet", "errors.parquet")
        for row in pq.read_table(folder / "job" / name)["row"].to_pylist()
    ]
    if sorted(rows) != list(range(ROWS)):
        yield f"{len(rows)} rows in the results"
