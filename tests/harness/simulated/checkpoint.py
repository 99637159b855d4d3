"""A checkpoint in memory: what is committed survives a kill, and the rest does not."""

import asyncio
import random
from collections.abc import Sequence

from batchrun.adapters.checkpoint.commit_queue import BatchWaiter, Queue, Results, Waiter
from batchrun.adapters.checkpoint.entries import AnyEntry, EncodedEntry, Entry
from batchrun.adapters.checkpoint.parts import Table
from batchrun.domain.counters import Counters
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import FoundAfterRestart, RowEvent, Settled
from batchrun.domain.row import Row, decide
from batchrun.domain.states import Event, State, next_states
from batchrun.domain.tally import Tally
from batchrun.errors import StorageError
from batchrun.ports import DuplicateRunError, Work


class MemoryCheckpoint:
    """The committed rows of a job, and everything that was ever committed."""

    def __init__(self, rows: int) -> None:
        self.total = rows
        self.rows: dict[int, Row] = {}
        self.outputs: dict[int, str | None] = {}
        self.runs: dict[str, int] = {}
        self.history: list[tuple[Row, Event]] = []
        self.counters = Counters()

    def commit(self, entry: AnyEntry) -> Exception | None:
        """Commit one change. Returns why it is refused."""
        row, event = entry.row, Event(entry.name)
        before = self.rows.get(row.row) or Row(row.row)
        if row.state not in next_states(before.state, event):
            raise AssertionError(f"row {row.row} was {before.state} and becomes {row.state} by {event}")
        if row.run_id is not None and self.runs.setdefault(row.run_id, row.row) != row.row:
            return DuplicateRunError(row.run_id)
        self.rows[row.row] = row
        self.history.append((row, event))
        if event is Event.RUN_COMPLETED and row.state is State.COMPLETED:
            (output,) = (values[1] for table, values in entry.parts[2] if table == Table.OUTPUTS)
            self.outputs.setdefault(row.row, None if output is None else str(output))
        return None

    def found(self, *states: State) -> list[Row]:
        """The rows in these states."""
        return [row for row in self.rows.values() if row.state in states]

    def recover(self, in_doubt: str, now: int) -> int:
        """Apply what follows from the end of the last session. Returns how many rows came to be in doubt by it."""
        problem = Problem(ErrorKind.IN_DOUBT, "the process ended")
        submitting = self.found(State.SUBMITTING)
        for row in submitting:
            self._apply(row, FoundAfterRestart(problem, now))
        if in_doubt != "hold":
            to = State.QUEUED if in_doubt == "resubmit" else State.FAILED
            for row in self.found(State.IN_DOUBT):
                self._apply(row, Settled(to, now))
        return len(submitting)

    def _apply(self, row: Row, event: RowEvent) -> None:
        self.commit(Entry(decide(row, event), event))

    def tally(self) -> Tally:
        """The counts of the rows."""
        tally = Tally(self.total)
        for row in self.rows.values():
            tally.move(Row(row.row), row)
        return tally


class MemoryJournal:
    """Implements `ports.Journal`: commits what was recorded after a few milliseconds, in order."""

    def __init__(self, checkpoint: MemoryCheckpoint, chance: random.Random) -> None:
        self._checkpoint = checkpoint
        self._chance = chance
        self._pending = Queue()
        self._wake = asyncio.Event()
        self._is_killed = False

    def record(self, row: Row, event: RowEvent, *, deferrable: bool = False) -> asyncio.Future[None]:  # noqa: ARG002
        """See the port."""
        done = asyncio.get_running_loop().create_future()
        self._add([Entry(row, event)], done)
        return done

    def record_all(
        self,
        entries: Sequence[EncodedEntry],
        *,
        deferrable: bool = False,  # noqa: ARG002
    ) -> asyncio.Future[Results]:
        """See the port."""
        done: asyncio.Future[Results] = asyncio.get_running_loop().create_future()
        self._add(entries, BatchWaiter(len(entries), done))
        return done

    async def note_entry(self, entry: EncodedEntry) -> None:
        """See the port."""
        self._add([entry], None)

    async def note(self, row: Row, event: RowEvent) -> None:
        """See the port."""
        self._add([Entry(row, event)], None)

    def _add(self, entries: Sequence[AnyEntry], waiter: Waiter) -> None:
        if self._is_killed:
            raise StorageError("killed")
        self._pending.add(entries, (waiter,))
        self._wake.set()

    async def room(self) -> None:
        """See the port; there is always room."""

    async def record_upload(self, digest: str, reference: str) -> None:
        """See the port; no job here uploads."""

    async def run(self) -> None:
        """Commit until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._chance.choice((0.0, 0.005, 0.05)))
            self._wake.clear()
            self.flush()

    def flush(self) -> None:
        """Commit what is pending."""
        batch, self._pending = self._pending, Queue()
        batch.settle([self._checkpoint.commit(entry) for entry in batch.entries])

    def kill(self) -> None:
        """Lose what is pending, except that a part of it may be on disk already."""
        self._is_killed = True
        if self._chance.random() < 0.5:
            for entry in self._pending.entries[: self._chance.randint(0, len(self._pending))]:
                self._checkpoint.commit(entry)
        for waiter in self._pending.waiters:
            if waiter is not None:
                (waiter.done if isinstance(waiter, BatchWaiter) else waiter).cancel()
        self._pending = Queue()


class MemorySource:
    """Implements `ports.RowSource` and `ports.Lookup` over the rows of the plan."""

    def __init__(self, checkpoint: MemoryCheckpoint) -> None:
        self._checkpoint = checkpoint
        self._tracked = {row.row for row in checkpoint.found(State.RUNNING, State.IN_DOUBT)}
        self._next = 0
        self._recalled: dict[int, Row] = {}

    async def next(self) -> Work | None:
        """See `RowSource`."""
        while self._next < self._checkpoint.total:
            row = self._checkpoint.rows.get(self._next) or Row(self._next)
            self._next += 1
            if row.state is State.QUEUED and row.row not in self._tracked:
                return Work(row, (str(row.row),))
        if self._recalled:
            number = next(iter(self._recalled))
            return Work(self._recalled.pop(number), (str(number),))
        return None

    is_open = False
    """See `RowSource`."""

    @property
    def exhausted(self) -> bool:
        """See `RowSource`."""
        return self._next >= self._checkpoint.total and not self._recalled

    def recall(self, row: Row) -> None:
        """See `RowSource`."""
        self._recalled[row.row] = row

    def find(self, row: int) -> Row | None:
        """See `Lookup`."""
        return self._checkpoint.rows.get(row)

    def completed(self) -> Row | None:
        """See `Lookup`."""
        found = [row for row in self._checkpoint.found(State.COMPLETED) if row.run_id is not None]
        return max(found, key=lambda row: row.row) if found else None

    def reference(self, digest: str) -> tuple[str, int] | None:  # noqa: ARG002
        """See `Lookup`; no job here uploads."""
        return None

    async def values(self, row: int) -> Sequence[object]:
        """See `Lookup`."""
        if not 0 <= row < self._checkpoint.total:
            raise StorageError("there is no such row")
        return (str(row),)
