"""Group commit: the engine's journal over the checkpoint.

One thread writes. Entries that arrive during a commit share the next one, so the cost of a sync to disk is shared by a
batch. Without load an entry waits for one sync only.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from batchrun.adapters.checkpoint.commit_queue import BatchWaiter, Queue, Results, Waiter
from batchrun.adapters.checkpoint.entries import AnyEntry, EncodedEntry, Entry
from batchrun.adapters.checkpoint.marks import Marks
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.domain.events import RowEvent
from batchrun.domain.row import Row
from batchrun.domain.states import Event
from batchrun.domain.time_series import HEARTBEAT
from batchrun.errors import StorageError
from batchrun.ports import Clock

MAX_PENDING = 5000
"""Entries that may wait for the next commit. Beyond this limit callers wait, so a slow disk slows down sending."""

MAX_PENDING_CHARACTERS = 32 << 20
"""Characters of outputs that may wait for the next commit. Reused rows arrive as fast as they can be read."""

DELAY_PER_ENTRY, MAX_DELAY, FULL_COMMIT = 0.002, 0.02, 64
"""Delay the next commit by 2 ms per entry of the last one, at most 20 ms, counted from the start of the last one. Start
it earlier if 64 entries wait. Under load many rows then share a commit; a single row hardly waits."""

FULL_DELAY = 0.25
"""Seconds from one commit to the next on a full disk, so that few of them use up the reserve."""

MAX_DEFERRAL, DEFERRED_COMMIT = 0.1, 512
"""Commit deferred entries after at most 0.1 s, or as soon as 512 of them wait. Runs end in another order than they
started, so a small batch touches about one database page per row. Rows of a larger batch share pages."""

MAX_HOLD = 1.0
"""Hold "still running" entries back for 1 s. Most are replaced by a later event of the row and never written. A crash
may lose them, because the run is then polled again."""


class GroupCommit:
    """`ports.Journal` over a checkpoint; opened by `open_journal`."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        counters: Counters,
        clock: Clock,
        writer: ThreadPoolExecutor,
        *,
        marks: Marks | None = None,
        on_full: Callable[[], None] = lambda: None,
    ) -> None:
        self._checkpoint = checkpoint
        self._marks = marks
        self._writer = writer
        self._counters = counters
        self._clock = clock
        self._on_full = on_full
        self._pending, self._deferred, self._committing = Queue(), Queue(), Queue()
        self._deferral_expired = False
        self._characters = 0
        self._held: dict[int, AnyEntry] = {}
        self._held_since = float("-inf")
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._has_capacity = asyncio.Event()
        self._has_capacity.set()
        self._failure: Exception | None = None
        self._closing = False
        self._started = self._loop.time()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the journal was opened."""
        return self._loop.time() - self._started

    def record(self, row: Row, event: RowEvent, *, deferrable: bool = False) -> asyncio.Future[None]:
        """Return a future that is done once `row`, its state after `event`, is on disk.

        `deferrable`: the entry may be deferred, see `MAX_DEFERRAL`.
        """
        if self._held:
            self._held.pop(row.row, None)  # the new entry includes it
        if self._marks is not None:
            self._marks.record(row, event)
        done: asyncio.Future[None] = self._loop.create_future()
        self._add([Entry(row, event)], done, deferrable=deferrable)
        return done

    def record_all(self, entries: Sequence[EncodedEntry], *, deferrable: bool = False) -> "asyncio.Future[Results]":
        """The same for many entries, with one future: for each of them, it has None or the error that refused it.

        They are those of workers, which leave no marks.
        """
        if self._held:
            for entry in entries:
                self._held.pop(entry.row.row, None)
        done: asyncio.Future[Results] = self._loop.create_future()
        self._add(entries, BatchWaiter(len(entries), done), deferrable=deferrable)
        return done

    async def note(self, row: Row, event: RowEvent) -> None:
        """Record `row` without waiting until it is on disk."""
        await self.note_entry(Entry(row, event))

    async def note_entry(self, entry: AnyEntry) -> None:
        """The same for an entry."""
        await self._has_capacity.wait()
        if entry.name == _STILL_RUNNING:
            self._hold(entry)
        else:
            self._add([entry], None)

    async def record_upload(self, digest: str, reference: str) -> None:
        """Record the reference of an uploaded file in a transaction of its own."""
        if self._failure is not None:
            raise self._failure
        try:
            await self._loop.run_in_executor(
                self._writer, self._checkpoint.record_upload, digest, reference, self._clock.now()
            )
        except StorageError as error:
            self._failure = error
            raise

    async def room(self) -> None:
        """Wait while too many entries are not yet on disk, which bounds memory."""
        if not self._has_capacity.is_set():
            await self._has_capacity.wait()

    def _hold(self, entry: AnyEntry) -> None:
        if self._failure is not None:
            raise self._failure
        if not self._held:
            self._held_since = self._loop.time()
        self._held[entry.row.row] = entry
        if self._held_is_due:
            self._wake.set()

    @property
    def _held_is_due(self) -> bool:
        return len(self._held) >= MAX_PENDING or self._loop.time() - self._held_since >= MAX_HOLD

    def _add(self, entries: Sequence[AnyEntry], waiter: Waiter, *, deferrable: bool = False) -> None:
        if self._failure is not None:
            raise self._failure
        if deferrable:
            if not self._deferred:
                self._loop.call_later(MAX_DEFERRAL, self._end_deferral)
            self._deferred.add(entries, (waiter,))
            if len(self._deferred) >= DEFERRED_COMMIT:
                self._wake.set()
        else:
            self._pending.add(entries, (waiter,))
            self._wake.set()
            if len(self._pending) >= FULL_COMMIT:
                self._full.set()
        for entry in entries:
            self._characters += entry.characters
        if self._characters >= MAX_PENDING_CHARACTERS or len(self._pending) + len(self._deferred) >= MAX_PENDING:
            self._has_capacity.clear()
            self._wake.set()

    def _end_deferral(self) -> None:
        self._deferral_expired = True
        self._wake.set()

    @property
    def _deferred_is_due(self) -> bool:
        return (
            self._deferral_expired
            or len(self._deferred) >= DEFERRED_COMMIT
            or not self._has_capacity.is_set()
            or self._closing
        )

    async def run(self) -> None:
        """Commit recorded entries until the journal is closed.

        After a failure nothing more is recorded, and whoever waits for a commit, or asks for one, gets the error.
        """
        try:
            await self._commit_all()
        except Exception as error:
            # Never retry a failed sync: it is unknown which data it wrote.
            self._failure = error
            for queue in (self._committing, self._pending, self._deferred):
                queue.fail(error)
            self._pending, self._deferred, self._committing = Queue(), Queue(), Queue()
            self._has_capacity.set()
            raise

    async def _commit_all(self) -> None:
        commit_started, delay = float("-inf"), 0.0
        while not (self._closing and not self._pending and not self._deferred and not self._held):
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._wake.wait()
            if not self._closing:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(commit_started + delay):
                        await self._full.wait()
            commit_started = self._loop.time()
            self._wake.clear()
            self._full.clear()
            delay = min(MAX_DELAY, DELAY_PER_ENTRY * len(self._pending)) if not self._checkpoint.is_full else FULL_DELAY
            self._committing = self._next_batch()
            await self._commit(self._committing)

    def _next_batch(self) -> Queue:
        """Take the entries of the next commit."""
        batch, self._pending = self._pending, Queue()
        if self._deferred_is_due:
            batch.add(self._deferred.entries, self._deferred.waiters)
            self._deferred, self._deferral_expired = Queue(), False
        if self._held_is_due or self._closing:
            batch.add(self._held.values(), [None] * len(self._held))
            self._held = {}
        if not self._deferred:
            self._characters = 0
        if self._characters < MAX_PENDING_CHARACTERS:
            self._has_capacity.set()
        return batch

    async def _commit(self, batch: Queue) -> None:
        counters = replace(self._counters)
        results = await self._loop.run_in_executor(
            self._writer, self._checkpoint.commit, batch.entries, counters, self._clock.now(), self.elapsed_s
        )
        if self._marks is not None:
            self._marks.committed(batch.entries, results)
        if self._checkpoint.is_full:
            self._on_full()
        batch.settle(results)

    def close(self) -> None:
        """Let `run` return once every recorded entry is on disk."""
        self._closing = True
        self._full.set()
        self._wake.set()


_STILL_RUNNING = Event.STILL_RUNNING.value


@asynccontextmanager
async def open_journal(
    checkpoint: Checkpoint,
    counters: Counters,
    clock: Clock,
    *,
    marks: Marks | None = None,
    on_full: Callable[[], None] = lambda: None,
) -> AsyncIterator[GroupCommit]:
    """Open a journal with its writer thread. When the block ends, every recorded entry is on disk.

    `on_full` is called after each commit that needed the reserve for a full disk. Then no more may be sent.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="checkpoint") as writer:
        journal = GroupCommit(checkpoint, counters, clock, writer, marks=marks, on_full=on_full)
        async with asyncio.TaskGroup() as group:
            group.create_task(journal.run(), name="journal")
            try:
                yield journal
            finally:
                journal.close()
