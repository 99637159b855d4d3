"""Part of the harness: whole jobs over real connections, in which one row of five meets a fault of the network.

A fault is met by an asynchronous POST, a synchronous one, or a poll; by the first row of the job, by one in its middle
or by the last one; once or each time. Checked is what becomes of every row, and what the service has received.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.harness.faulty_network import cases, checks, outages
from tests.harness.figures import Chunk, Figure

JOBS = 50
"""The number of jobs in a chunk."""
DAMAGED = {True: 3000, False: 40}
"""The number of damaged answers, in full and in short."""
Try = Callable[[Path], list[str]]
"""Runs one job in an empty folder, and returns what went wrong."""


def chunks(full: bool) -> Sequence[Chunk]:
    """See `figures`."""
    form = "full" if full else "short"
    return [(form, what, begin) for what, tries in _tries(full).items() for begin in range(0, len(tries), JOBS)]


def run(chunk: Chunk, folder: Path) -> Sequence[Figure]:
    """See `figures`."""
    form, what, begin = str(chunk[0]), str(chunk[1]), int(chunk[2])
    tries, violations = _tries(form == "full")[what][begin : begin + JOBS], list[str]()
    for one in tries:
        with TemporaryDirectory(dir=folder) as place:
            violations += one(Path(place))
    return [Figure(f"jobs with {what}", len(tries), violations)]


def _tries(full: bool) -> dict[str, list[Try]]:
    return {
        "faults of the network": [partial(checks.tried, case) for case in cases.named_cases(full)],
        "statuses, bodies and frames": [partial(checks.tried, case) for case in cases.combined_cases(full)],
        "damaged answers": [partial(checks.tried, case) for case in cases.damaged_cases(DAMAGED[full])],
        "outages of the service": [partial(outages.tried, outage) for outage in outages.outages(full)],
    }
