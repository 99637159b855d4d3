"""Group commit: the engine's journal over the checkpoint.

One thread writes. While it commits, whatever else is recorded gathers, and goes into the next commit together; so a
sync to disk costs a batch and not a row, and under no load a row waits for one sync only.
"""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress

from batchrun.adapters.checkpoint.writer import Checkpoint, Entry
from batchrun.domain.counters import Counters
from batchrun.domain.events import Reused, RowEvent, RunCompleted, StillRunning
from batchrun.domain.row import Row
from batchrun.errors import StorageError
from batchrun.ports import Clock

MAX_PENDING = 5000
"""Entries that may wait for the next commit; more make the recorder wait, so that a slow disk slows the sending."""

MAX_PENDING_CHARACTERS = 32 << 20
"""The same of their outputs: rows that are taken over come as fast as they can be read."""

EACH, PAUSE, FULL = 0.002, 0.02, 64
"""Seconds from the beginning of one commit to that of the next, for each entry of the first and at the most, unless so
many wait: under load a commit is shared by many rows, so that its own cost does not matter; a row that comes alone
hardly waits."""

COMPANY, MANY = 0.1, 512
"""Seconds for which what is patient waits for company at the most, and so many of them that need not wait any longer.
Runs end in another order than they began: a hundred of them at a time lie on as many pages of the checkpoint, five
hundred on not many more."""

HELD = 1.0
"""Seconds after which the next commit takes the word that a run has not ended: mostly something better is known by
then, and it need not be written. Lost in a crash it is missed by nobody: the run is polled again."""

HEARTBEAT = 5.0
"""Seconds after which the counters are written though no row changed."""


class GroupCommit:
    """`ports.Journal` over a checkpoint. Use `open_journal`."""

    def __init__(self, checkpoint: Checkpoint, counters: Counters, clock: Clock) -> None:
        self._checkpoint = checkpoint
        self._counters = counters
        self._clock = clock
        self._pending: list[_Recorded] = []
        self._patient: list[_Recorded] = []
        self._waited = False
        self._characters = 0
        self._held: dict[int, Entry] = {}
        self._held_since = float("-inf")
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._broken: StorageError | None = None
        self._closing = False
        self._started = self._loop.time()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the journal was opened."""
        return self._loop.time() - self._started

    def record(self, row: Row, event: RowEvent, *, patient: bool = False) -> asyncio.Future[None]:
        """Done when `row`, as it is after `event`, is on disk; `patient`: it may be there a moment later."""
        if self._held:
            self._held.pop(row.row, None)  # `row` tells of it
        done = self._loop.create_future()
        self._add(Entry(row, event), done, patient=patient)
        return done

    async def note(self, row: Row, event: RowEvent) -> None:
        """Hand `row` over; return before it is on disk."""
        await self._room.wait()
        if isinstance(event, StillRunning):
            self._hold(Entry(row, event))
        else:
            self._add(Entry(row, event), None)

    async def room(self) -> None:
        """Wait while so much is recorded and not yet on disk that more would only fill the memory."""
        if not self._room.is_set():
            await self._room.wait()

    def _hold(self, entry: Entry) -> None:
        if self._broken is not None:
            raise self._broken
        if not self._held:
            self._held_since = self._loop.time()
        self._held[entry.row.row] = entry
        if self._held_enough:
            self._wake.set()

    @property
    def _held_enough(self) -> bool:
        return len(self._held) >= MAX_PENDING or self._loop.time() - self._held_since >= HELD

    def _add(self, entry: Entry, done: asyncio.Future[None] | None, *, patient: bool = False) -> None:
        if self._broken is not None:
            raise self._broken
        if patient:
            if not self._patient:
                self._loop.call_later(COMPANY, self._lose_patience)
            self._patient.append((entry, done))
            if len(self._patient) >= MANY:
                self._wake.set()
        else:
            self._pending.append((entry, done))
            self._wake.set()
            if len(self._pending) >= FULL:
                self._full.set()
        if isinstance(entry.event, _WITH_OUTPUT):
            self._characters += len(entry.event.output or "")
        if self._characters >= MAX_PENDING_CHARACTERS or len(self._pending) + len(self._patient) >= MAX_PENDING:
            self._room.clear()
            self._wake.set()

    def _lose_patience(self) -> None:
        self._waited = True
        self._wake.set()

    @property
    def _waited_enough(self) -> bool:
        return self._waited or len(self._patient) >= MANY or not self._room.is_set() or self._closing

    async def run(self, writer: ThreadPoolExecutor) -> None:
        """Commit what is recorded until the journal is closed."""
        begun, pause = float("-inf"), 0.0
        while not (self._closing and not self._pending and not self._patient and not self._held):
            with suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    await self._wake.wait()
            if not self._closing:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(begun + pause):
                        await self._full.wait()
            begun = self._loop.time()
            self._wake.clear()
            self._full.clear()
            pause = min(PAUSE, EACH * len(self._pending))
            await self._commit(writer, self._take())

    def _take(self) -> "list[_Recorded]":
        """What goes into the next commit."""
        batch, self._pending = self._pending, []
        if self._waited_enough:
            batch += sorted(self._patient, key=_row)
            self._patient, self._waited = [], False
        if self._held_enough or self._closing:
            batch += sorted(((entry, None) for entry in self._held.values()), key=_row)
            self._held = {}
        if not self._patient:
            self._characters = 0
        if self._characters < MAX_PENDING_CHARACTERS:
            self._room.set()
        return batch

    async def _commit(
        self,
        writer: ThreadPoolExecutor,
        batch: "list[_Recorded]",
    ) -> None:
        entries = [entry for entry, _ in batch]
        counters = Counters(self._counters.submissions, self._counters.polls, self._counters.throttled)
        try:
            results = await self._loop.run_in_executor(
                writer, self._checkpoint.commit, entries, counters, self._clock.now(), self.elapsed_s
            )
        except StorageError as error:
            # A failed sync must never be tried again: what it left unwritten is unknown. Nothing more is recorded.
            self._broken = error
            for _, done in batch + self._pending + self._patient:
                if done is not None and not done.done():
                    done.set_exception(error)
            self._pending, self._patient = [], []
            raise
        unheard: list[Exception] = []
        for (_, done), result in zip(batch, results, strict=True):
            if done is None:
                unheard += [] if result is None else [result]
            elif done.done():
                pass  # the one who waited was cancelled; the entry is on disk all the same
            elif result is None:
                done.set_result(None)
            else:
                done.set_exception(result)
        if unheard:
            raise unheard[0]

    def close(self) -> None:
        """Let `run` end once everything recorded is on disk."""
        self._closing = True
        self._full.set()
        self._wake.set()


_WITH_OUTPUT = (RunCompleted, Reused)

_Recorded = tuple[Entry, asyncio.Future[None] | None]
"""An entry, and who waits for it to be on disk."""


def _row(recorded: _Recorded) -> int:
    return recorded[0].row.row


@asynccontextmanager
async def open_journal(checkpoint: Checkpoint, counters: Counters, clock: Clock) -> AsyncIterator[GroupCommit]:
    """A journal whose writer thread runs for as long as the block; what was recorded is on disk at its end."""
    journal = GroupCommit(checkpoint, counters, clock)
    with ThreadPoolExecutor(1, thread_name_prefix="checkpoint") as writer:
        async with asyncio.TaskGroup() as group:
            group.create_task(journal.run(writer), name="journal")
            try:
                yield journal
            finally:
                journal.close()
