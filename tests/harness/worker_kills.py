"""Jobs on four nodes of a Ray cluster: workers, nodes or the driver are killed, and one stops for a minute."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tests.harness.figures import Chunk, Figure, NotPossibleError
from tests.harness.ray_nodes import in_own_network

FULL = {"workers": 34, "nodes": 34, "driver": 17, "mixed": 4}
"""Jobs. In the first two, something is killed three times, in the third six times."""

AT_ONCE = 1
"""Each is a cluster of four nodes, with several processes of Ray's on each."""

WHAT = {
    "workers": "SIGKILL for a worker of a job on four nodes",
    "nodes": "SIGKILL for all processes of a node on which a worker is",
    "driver": "SIGKILL for the driver of a job on four nodes",
    "mixed": "in one job: the driver and a worker that stop, and SIGKILL for another, a node and the driver",
}


def chunks(full: bool) -> Sequence[Chunk]:
    """A job each."""
    return [(what, seed) for what in WHAT for seed in range(FULL[what])] if full else [("mixed", 0)]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:  # noqa: ARG001 - it has one of its own, with a short path
    """Run a job in a network of its own."""
    if find_spec("ray") is None:
        raise NotPossibleError("Ray is not installed")
    what, seed = str(chunk[0]), int(chunk[1])
    found = in_own_network("tests.harness.ray_scenarios", what, seed)
    violations = [f"{what}, seed {seed}: {line}" for line in found["violations"]]
    return [Figure(WHAT[what], found["kills"], violations)]
