"""Tries simulated jobs, one for each seed."""

import logging
from collections.abc import Callable, Sequence

from tests.harness.figures import Chunk, Figure
from tests.harness.simulated.checks import violations
from tests.harness.simulated.job import SimulatedJob
from tests.harness.simulated.plan import Plan, plan
from tests.support.virtual import run_virtual

Make = Callable[[Plan], SimulatedJob]


def replayed(make: Make, seed: int) -> list[str]:
    """The violations of one seed."""
    job = make(plan(seed))
    try:
        run_virtual(job.run())
    except Exception as error:  # noqa: BLE001 - whatever it is, the seed must be known
        return [f"{type(error).__name__}: {error}"]
    return list(violations(job))


def tried(make: Make, name: str, chunk: Chunk) -> Sequence[Figure]:
    """Run the jobs of the seeds from the first one of the chunk up to its second one. `name`: that of the figure."""
    first, stop = map(int, chunk)
    logging.getLogger("batchrun").setLevel(logging.CRITICAL)
    found = [f"seed {seed}: {line}" for seed in range(first, stop) for line in replayed(make, seed)]
    return [Figure(name, stop - first, found)]


def print_replayed(make: Make, seeds: Sequence[str]) -> None:
    """Print the plan and the violations of each seed."""
    for seed in map(int, seeds):
        print(plan(seed), *replayed(make, seed), sep="\n")  # noqa: T201
