"""What one worker may do at a time when the others may not, or that they may do no more."""

from collections.abc import Sequence

from batchrun.cluster.worker_handle import WorkerHandle
from batchrun.domain.circuit_breaker import FAILURES_TO_OPEN


def deferred(worker: WorkerHandle, workers: Sequence[WorkerHandle], classes: Sequence[str]) -> list[str]:
    """The classes of which this worker prepares no request, because another worker probes the service.

    An outage is one for all: the first worker whose circuit is open, and that has something to send, probes.
    """
    found = []
    for number, name in enumerate(classes):
        probing = next((other for other in workers if other.figures[number].is_probing), None)
        if probing is not None and probing is not worker:
            found.append(name)
    return found


def outages(workers: Sequence[WorkerHandle], classes: Sequence[str]) -> list[str]:
    """The classes that have failed as often in a row as opens a circuit, on all workers together."""
    found = []
    for number, name in enumerate(classes):
        figures = [worker.figures[number] for worker in workers]
        last_success = min((one.silent_for for one in figures), default=0.0)
        failures = sum(one.failures for one in figures if one.failures and one.first_failed < last_success)
        if failures >= FAILURES_TO_OPEN:
            found.append(name)
    return found


def more_submissions(worker: WorkerHandle, workers: Sequence[WorkerHandle], most: int | None) -> int:
    """How many more POSTs this worker may send; `workers`: all that there were. 0 if they are not limited.

    It gets half of its part of the rest, at least one, when it has used up what it had, and has a row to submit. An
    idle worker gives back what it has not used. `most`: the POSTs that are left for this session.
    """
    if most is None or worker.allowed > worker.counters.submissions or not worker.has_rows_to_submit:
        return 0
    left = most - sum(one.counters.submissions if one.is_lost else one.allowed for one in workers)
    if left <= 0:
        return 0
    more = max(1, left // (2 * sum(one.is_working for one in workers)))
    worker.allowed += more
    return more
