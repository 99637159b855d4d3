"""Jobs on several workers in virtual time: messages take time, and workers die or are cut off; a job for each seed.

A seed is replayed by `python -m tests.harness.workers SEED`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.harness.figures import Chunk, Figure
from tests.harness.simulated.cluster import ClusteredJob
from tests.harness.simulated.seeds import print_replayed, tried

SHORT, FULL, CHUNK = 80, 2_000, 20


def chunks(full: bool) -> Sequence[Chunk]:
    """Twenty seeds each, as the first one and the one after the last."""
    return [(first, first + CHUNK) for first in range(0, FULL if full else SHORT, CHUNK)]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:  # noqa: ARG001 - all is in memory
    """Run the jobs of these seeds."""
    return tried(ClusteredJob, "simulated jobs on several workers that die or are cut off (seeds)", chunk)


if __name__ == "__main__":
    print_replayed(ClusteredJob, sys.argv[1:])
