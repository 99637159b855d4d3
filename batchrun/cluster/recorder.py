"""Records the changes that workers report, in their order, and says when they are on disk."""

import asyncio
from functools import partial

from batchrun.cluster.messages import Kind, Report
from batchrun.cluster.worker_handle import Batch, WorkerHandle
from batchrun.domain.events import Accepted, RowEvent, RunCompleted, RunFailed
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.transitions import Transitions
from batchrun.errors import StorageError
from batchrun.ports import Journal, Lookup

_ENDED = {State.COMPLETED, State.FAILED, State.TIMED_OUT}


class Recorder:
    """One for all workers."""

    def __init__(self, journal: Journal, lookup: Lookup, transitions: Transitions) -> None:
        self._journal = journal
        self._lookup = lookup
        self._transitions = transitions
        self._failure: Exception | None = None
        self._open = 0
        self._settled = asyncio.Event()
        self._settled.set()

    def refuse_failed(self) -> None:
        """Raise the error of a commit that has failed."""
        if self._failure is not None:
            raise self._failure

    async def settled(self) -> None:
        """Wait until everything is on disk."""
        await self._settled.wait()
        self.refuse_failed()

    async def record(self, worker: WorkerHandle, report: Report) -> None:
        """Record what a report says. Raises `StorageError`."""
        changes: tuple[list[tuple[Row, Row, RowEvent]], ...] = ([], [])
        futures: tuple[list[asyncio.Future[None]], ...] = ([], [])
        for row, event, kind in report.records:
            # A row that had timed out, which has ended, may change once more. It is looked up, as there may be many.
            old = worker.rows.get(row.row) or self._lookup.find(row.row) or Row(row.row)
            if row.state in _ENDED:
                worker.rows.pop(row.row, None)
            else:
                worker.rows[row.row] = row
            if kind is Kind.NOTED:
                await self._journal.note(row, event)
                self._transitions.count(old, row, event)
                continue
            changes[kind].append((old, row, event))
            recorded = self._journal.record(row, event, deferrable=kind is Kind.DEFERRABLE)
            assert isinstance(recorded, asyncio.Future)
            futures[kind].append(recorded)
        for kind in (Kind.DURABLE, Kind.DEFERRABLE):
            if changes[kind]:
                batch = Batch(report.number, kind, changes[kind], len(changes[kind]))
                worker.batches += 1
                self._open += 1
                self._settled.clear()
                for position, future in enumerate(futures[kind]):
                    future.add_done_callback(partial(self._on_recorded, worker, batch, position))

    def _on_recorded(self, worker: WorkerHandle, batch: Batch, position: int, future: "asyncio.Future[None]") -> None:
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        old, new, event = batch.changes[position]
        batch.left -= 1
        if error is None:
            self._count(old, new, event)
        elif isinstance(error, Exception) and not isinstance(error, StorageError):
            batch.errors[position] = error
            if worker.rows.get(new.row) is new or new.state in _ENDED:
                worker.rows[new.row] = old
        else:
            self._failure = error if isinstance(error, Exception) else StorageError("the journal was closed")
            self._transitions.changed.set()
        if not batch.left:
            worker.batches -= 1
            worker.untold.append(batch)
            worker.tell()
            worker.settled.set()
            self._open -= 1
            if not self._open:
                self._settled.set()

    def _count(self, old: Row, new: Row, event: RowEvent) -> None:
        self._transitions.count(old, new, event)
        latencies = self._transitions.latencies
        if isinstance(event, RunCompleted | RunFailed):
            latencies.on_run_ended(new)
        elif isinstance(event, Accepted):
            latencies.submit.add(max(0.0, (event.at - event.submitted_at) / 1000))
