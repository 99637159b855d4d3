"""The engine in virtual time, against a service in memory that has every fault at once; a job for each seed.

A seed is replayed by `python -m tests.harness.simulation SEED`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.harness.figures import Chunk, Figure
from tests.harness.simulated.job import SimulatedJob
from tests.harness.simulated.seeds import print_replayed, tried

SHORT, FULL, CHUNK = 2_000, 100_000, 100
PINNED = (5062, 7713, 8706)
"""Seeds beyond `SHORT` that found something."""


def chunks(full: bool) -> Sequence[Chunk]:
    """A hundred seeds each, as the first one and the one after the last."""
    found = [(first, first + CHUNK) for first in range(0, FULL if full else SHORT, CHUNK)]
    return found if full else [*found, *((seed, seed + 1) for seed in PINNED)]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:  # noqa: ARG001 - all is in memory
    """Run the jobs of these seeds."""
    return tried(SimulatedJob, "simulated jobs with every fault at once (seeds)", chunk)


if __name__ == "__main__":
    print_replayed(SimulatedJob, sys.argv[1:])
