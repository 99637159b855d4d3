"""What one worker may do at a time when the others may not, or that they may do no more."""

from collections.abc import Sequence

from batchrun.cluster.worker_handle import WorkerHandle
from batchrun.domain.circuit_breaker import FAILURES_TO_OPEN

ALONE, TURN = 60.0, 10.0
"""Seconds for which one worker probes an outage before each other worker has a turn, and seconds of such a turn. Where
an outage may not last long, it is a quarter of that for each of both."""

PROBES = 2
"""Probes of one worker that fail while another is served, until the former is given up."""


def prober(workers: Sequence[WorkerHandle], number: int, patience: float) -> WorkerHandle | None:
    """The worker that probes the service for all in class `number`; None unless it is unavailable to all, or may be.

    An outage is one for all: the worker probes that has failed for longest, and has something to send. The others have
    turns, in case the service is out of reach of that worker alone, but not before the outage ends the job: that is
    counted from probe to probe. `patience`: the seconds after which it does.
    """
    probing = [worker for worker in workers if worker.figures[number].is_probing]
    if not probing:
        return None
    first = max(probing, key=lambda worker: worker.figures[number].first_failed)
    if _is_served_elsewhere(first, workers, number):
        return None
    others = [worker for worker in workers if worker is not first]
    alone, turn = min(ALONE, patience / 4), min(TURN, patience / 4 / max(1, len(others)))
    cycle, since = alone + turn * len(others), first.figures[number].first_failed
    place = since % cycle - alone
    return first if place < 0 or since > patience - cycle else others[min(int(place / turn), len(others) - 1)]


def _is_served_elsewhere(worker: WorkerHandle, workers: Sequence[WorkerHandle], number: int) -> bool:
    """Whether another worker has succeeded since this one began to fail, and not failed after that."""
    since = worker.figures[number].first_failed
    figures = [other.figures[number] for other in workers if other is not worker]
    return any(one.silent_for < since and not one.failures for one in figures)


def is_cut_off(worker: WorkerHandle, workers: Sequence[WorkerHandle]) -> bool:
    """Whether the service is unavailable to this worker alone. Call it about once a second.

    After an outage of all, one worker is served first, while the others have not tried again: they may fail some times.
    """
    for number, figures in enumerate(worker.figures):
        if not figures.failures or not _is_served_elsewhere(worker, workers, number):
            worker.failures_before.pop(number, None)
            continue
        before = worker.failures_before.setdefault(number, figures.failures)
        if figures.failing_for >= ALONE and figures.failures - before >= PROBES:
            return True
    return False


def is_alone_in_outage(worker: WorkerHandle, workers: Sequence[WorkerHandle]) -> bool:
    """Whether another worker was served since the service became unavailable to this one."""
    return any(
        figures.failures and _is_served_elsewhere(worker, workers, number)
        for number, figures in enumerate(worker.figures)
    )


def deferred(worker: WorkerHandle, probers: Sequence[WorkerHandle | None], classes: Sequence[str]) -> list[str]:
    """The classes of which this worker prepares no request, because another worker probes the service."""
    return [name for name, one in zip(classes, probers, strict=True) if one is not None and one is not worker]


def probed(worker: WorkerHandle, probers: Sequence[WorkerHandle | None], classes: Sequence[str]) -> list[str]:
    """The classes of which this worker probes the service, although it has not failed itself."""
    return [
        name
        for number, (name, one) in enumerate(zip(classes, probers, strict=True))
        if one is worker and not worker.figures[number].is_probing
    ]


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
