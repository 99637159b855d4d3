"""What a worker is told: the rows, leases and acknowledgements that it has to get now."""

from collections.abc import Sequence

from batchrun.cluster.allowances import deferred, more_submissions, outages, probed, prober
from batchrun.cluster.feed import Feed
from batchrun.cluster.grants import Grants
from batchrun.cluster.messages import Orders, pack
from batchrun.cluster.worker_handle import WorkerHandle
from batchrun.domain.counters import Counters
from batchrun.engine.settings import Settings
from batchrun.engine.stopping import StopRequest

BUSY, QUIET = 0.004, 1.0
"""Seconds for which a worker waits for something to report: while it has much to do, doubled each time that it has
nothing, up to the second figure."""

CLASSES = ("submission", "poll")
"""The classes of requests, in the order of `Report.figures`."""


class Dispatch:
    """Makes the orders for all workers; `workers`: those that are gone are in it as well."""

    def __init__(
        self,
        settings: Settings,
        counters: Counters,
        stopping: StopRequest,
        *,
        feed: Feed,
        grants: Grants,
        workers: Sequence[WorkerHandle],
    ) -> None:
        self._settings = settings
        self._counters = counters
        self._stopping = stopping
        self._feed = feed
        self._grants = grants
        self._all = workers
        self.is_opened = False
        """Whether the service has accepted a row."""
        self.is_closing = False
        """Whether every row has ended or is held, so that the workers are to end."""

    @property
    def workers(self) -> list[WorkerHandle]:
        """The workers that are at work."""
        return [worker for worker in self._all if worker.is_working]

    def may_submit(self, worker: WorkerHandle) -> bool:
        """Whether this worker may submit rows: until the service has accepted one, only one of them may."""
        if self._stopping.reason is not None or worker.given_up:
            return False
        return self.is_opened or worker is (self._probers[0] or next(iter(self.workers), None))

    @property
    def _probers(self) -> list[WorkerHandle | None]:
        workers = [worker for worker in self.workers if not worker.given_up]
        return [prober(workers, number, self._settings.max_outage) for number in range(len(CLASSES))]

    def orders(self, worker: WorkerHandle) -> Orders:
        """What this worker is told now."""
        workers, may_submit, probers = self.workers, self.may_submit(worker), self._probers
        stop = self._stopping.reason or worker.given_up
        rows = self._feed.take(worker.room) if may_submit else ()
        for work in rows:
            worker.rows[work.row.row] = work.row
        for row in self._feed.take_unplaced(len(workers)):
            worker.adopt(row)
        if stop is None:
            for row in self._feed.take_timed_out(len(worker.adopted) + worker.tracked):
                if not any(other.has(row.row) for other in workers):  # a callback may have been earlier
                    worker.adopt(row)
        adopted, worker.adopted = worker.adopted, []
        if rows or adopted:
            worker.is_idle = False
        if worker.batches or rows or adopted or worker.untold or worker.is_busy:
            worker.patience = BUSY
        else:
            worker.patience = min(QUIET, max(BUSY, 2 * worker.patience))
        worker.ordered += 1
        orders = Orders(
            number=worker.ordered,
            received=worker.reported,
            rows=[pack(work) for work in rows],
            adopted=adopted,
            committed=[batch.committed for batch in worker.untold],
            values=worker.values,
            hints=worker.hints,
            grant=self._grants.grant(worker.name),
            allowed=more_submissions(worker, self._all, self._submissions_left) if may_submit else 0,
            exhausted=self._feed.is_exhausted,
            is_open=not self.is_closing,
            is_opened=self.is_opened,
            outage=outages(workers, CLASSES),
            deferred=deferred(worker, probers, CLASSES),
            probed=probed(worker, probers, CLASSES),
            stop=stop if stop != worker.stop else None,
            patience=worker.patience,
        )
        worker.untold, worker.values, worker.hints = [], {}, []
        worker.stop, worker.is_closing = stop, self.is_closing
        return orders

    @property
    def _submissions_left(self) -> int | None:
        most = self._settings.max_submissions
        return None if most is None else most - self._counters.earlier_submissions
