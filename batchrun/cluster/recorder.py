"""Records the changes that workers report, in their order, and says when they are on disk."""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from batchrun.adapters.checkpoint.commit_queue import Results
from batchrun.adapters.checkpoint.entries import EncodedEntry
from batchrun.cluster.messages import Kind, Report
from batchrun.cluster.worker_handle import Batch, WorkerHandle
from batchrun.domain.row import Row
from batchrun.domain.states import Event, State
from batchrun.engine.transitions import Transitions
from batchrun.errors import StorageError
from batchrun.ports import Journal, Lookup

_NOTED = Kind.NOTED.value

_ENDED = {State.COMPLETED, State.FAILED, State.TIMED_OUT}

_RUN_ENDED = {Event.RUN_COMPLETED, Event.RUN_FAILED}


class BatchJournal(Journal, Protocol):
    """A journal that also takes entries of workers, many at once; see `GroupCommit`."""

    def record_all(self, entries: Sequence[EncodedEntry], *, deferrable: bool = False) -> "asyncio.Future[Results]":
        """Record these changes as `record` does, with one future for all of them. It raises `StorageError`."""
        ...

    async def note_entry(self, entry: EncodedEntry) -> None:
        """Record this change as `note` does."""
        ...


class Recorder:
    """One for all workers."""

    def __init__(self, journal: BatchJournal, lookup: Lookup, transitions: Transitions) -> None:
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
        batches = Batch(report.number, Kind.DURABLE), Batch(report.number, Kind.DEFERRABLE)
        rows = worker.rows
        for parts, kind in report.records:
            entry = EncodedEntry.of(parts)
            row = entry.row
            number = row.row
            # A row that had timed out, which has ended, may change once more. It is looked up, as there may be many.
            old = rows.get(number) or self._lookup.find(number) or Row(number)
            if row.state in _ENDED:
                rows.pop(number, None)
            else:
                rows[number] = row
            if kind == _NOTED:
                await self._journal.note_entry(entry)
                self._transitions.count(old, row, entry.event)
            else:
                batch = batches[kind]
                batch.before.append(old)
                batch.entries.append(entry)
        for batch in batches:
            if batch.entries:
                worker.batches += 1
                self._open += 1
                self._settled.clear()
                recorded = self._journal.record_all(batch.entries, deferrable=batch.kind is Kind.DEFERRABLE)
                recorded.add_done_callback(partial(self._on_recorded, worker, batch))

    def _on_recorded(self, worker: WorkerHandle, batch: Batch, recorded: "asyncio.Future[Results]") -> None:
        failure = StorageError("the journal was closed") if recorded.cancelled() else recorded.exception()
        if failure is None:
            failure = self._settle(worker, batch, recorded.result())
        if failure is None:
            worker.untold.append(batch)
            worker.tell()
        else:  # the worker is never told that its changes are durable
            self._failure = failure if isinstance(failure, Exception) else StorageError(str(failure))
            self._transitions.changed.set()
        worker.batches -= 1
        worker.settled.set()
        self._open -= 1
        if not self._open:
            self._settled.set()

    def _settle(self, worker: WorkerHandle, batch: Batch, results: Results) -> StorageError | None:
        """Count the changes that are durable, and take the refused ones back. Returns the error that ends the job."""
        failure: StorageError | None = None
        for position, (old, entry, error) in enumerate(zip(batch.before, batch.entries, results, strict=True)):
            new = entry.row
            if error is None:
                self._count(old, new, entry.event)
            elif isinstance(error, StorageError):
                failure = error
            else:
                batch.errors[position] = error
                if worker.rows.get(new.row) is new or new.state in _ENDED:
                    worker.rows[new.row] = old
        return failure

    def _count(self, old: Row, new: Row, event: Event) -> None:
        self._transitions.count(old, new, event)
        latencies = self._transitions.latencies
        if event in _RUN_ENDED:
            latencies.on_run_ended(new)
        elif event is Event.ACCEPTED and new.accepted_at is not None and new.submitted_at is not None:
            latencies.submit.add(max(0.0, (new.accepted_at - new.submitted_at) / 1000))
