"""A checkpoint whose commits a test can hold back, and helpers for the journal over it."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.entries import AnyEntry
from batchrun.adapters.checkpoint.journal import (
    GroupCommit,
)
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from tests.contract.row_lives import NOW, life_to


class Gated(Checkpoint):
    """Counts its commits, and blocks them until `gate` is set."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.begin_session(NOW, "1")
        self.commits: list[int] = []
        self.begun = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()
        self.failure: Exception | None = None
        """Raised by commits instead of writing anything."""

    def commit(
        self, entries: Sequence[AnyEntry], counters: Counters, at: int, elapsed_s: float
    ) -> list[Exception | None]:
        self.begun.release()
        assert self.gate.wait(10)
        if self.failure is not None:
            raise self.failure
        self.commits.append(len(entries))
        return super().commit(entries, counters, at, elapsed_s)

    async def in_progress(self) -> None:
        """Wait until a commit has begun."""
        assert await asyncio.to_thread(self.begun.acquire, timeout=10)


def seen(folder: Path) -> dict[int, State]:
    """The rows as another connection sees them."""
    with connection.open_reader(folder / "checkpoint.db") as db:
        return {row.row: row.state for row in reader.rows(db, *State)}


async def record_life(journal: GroupCommit, state: State, number: int, run_id: str | None = None) -> None:
    for entry in life_to(state, number, run_id):
        await journal.record(entry.row, entry.event)


async def turns(count: int = 5) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)
