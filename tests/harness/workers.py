"""Jobs on several workers in virtual time: messages take time, and workers die or are cut off; a job for each seed.

A seed is replayed by `python -m tests.harness.workers SEED`.
"""

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.harness.figures import Chunk, Figure
from tests.harness.simulated.checks import violations
from tests.harness.simulated.cluster import ClusteredJob
from tests.harness.simulated.plan import plan
from tests.support.virtual import run_virtual

SHORT, FULL, CHUNK = 80, 2_000, 20


def chunks(full: bool) -> Sequence[Chunk]:
    """Twenty seeds each, as the first one and the one after the last."""
    return [(first, first + CHUNK) for first in range(0, FULL if full else SHORT, CHUNK)]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:  # noqa: ARG001 - all is in memory
    """Run the jobs of these seeds."""
    first, stop = map(int, chunk)
    logging.getLogger("batchrun").setLevel(logging.CRITICAL)
    found = [f"seed {seed}: {line}" for seed in range(first, stop) for line in replayed(seed)]
    return [Figure("simulated jobs on several workers that die or are cut off (seeds)", stop - first, found)]


def replayed(seed: int) -> list[str]:
    """The violations of one seed."""
    job = ClusteredJob(plan(seed))
    try:
        run_virtual(job.run())
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed must be known
        return [f"{type(error).__name__}: {error}"]
    return list(violations(job))


if __name__ == "__main__":
    for number in map(int, sys.argv[1:]):
        print(plan(number), *replayed(number), sep="\n")  # noqa: T201
