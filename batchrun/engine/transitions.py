"""The rows at work: the one place where an event changes a row, is recorded, and is counted."""

import asyncio
from dataclasses import dataclass, field

from batchrun.domain.events import Reused, RowEvent
from batchrun.domain.reservoir import Reservoir
from batchrun.domain.row import Row, decide
from batchrun.domain.states import ENDED, State
from batchrun.domain.tally import Tally
from batchrun.ports import Clock, Journal


@dataclass
class Latencies:
    """Samples of what took how long, in seconds."""

    submit: Reservoir = field(default_factory=lambda: Reservoir("submit"))
    """From the permit to the answer of an accepted POST."""
    run: Reservoir = field(default_factory=lambda: Reservoir("run"))
    """From creation to end of a run by the service's clock, or as long as we waited for it where that tells none."""

    def on_run_ended(self, row: Row) -> None:
        """Count the run of a row that has ended, if it ended well."""
        if row.state is not State.COMPLETED:
            return
        since = row.submitted_at if row.accepted_at is None else row.accepted_at
        if row.created_at is not None and row.updated_at is not None:
            self.run.add((row.updated_at - row.created_at) / 1000)
        elif row.finished_at is not None and since is not None:
            self.run.add((row.finished_at - since) / 1000)


class Transitions:
    """Moves rows by `decide`; what it returns is durable."""

    def __init__(self, journal: Journal, tally: Tally, clock: Clock) -> None:
        self._journal = journal
        self.now = clock.now
        """The wall clock, in UTC milliseconds."""
        self.room = journal.room
        """Waits while more is recorded than the disk can take."""
        self.tally = tally
        self.latencies = Latencies()
        self.ended_badly = 0
        """Rows that ended failed or timed out since this command started."""
        self.ended = 0
        """Rows that ended since this command started, those taken over left out."""
        self.changed = asyncio.Event()
        """Set whenever a row has moved."""

    async def apply(self, row: Row, event: RowEvent, *, patient: bool = False) -> Row:
        """The row after `event`, on disk; `patient`: see `Journal.record`.

        Raises what `decide` and `Journal.record` raise; then nothing changed.
        """
        return await self.record(row, decide(row, event), event, patient=patient)

    async def record(self, row: Row, moved: Row, event: RowEvent, *, patient: bool = False) -> Row:
        """The same where `decide` has told already what becomes of `row`."""
        await self._journal.record(moved, event, patient=patient)
        self._count(row, moved, event)
        return moved

    async def note(self, row: Row, event: RowEvent) -> Row:
        """The row after `event`, not yet on disk: for what may be lost in a crash without harm."""
        moved = decide(row, event)
        await self._journal.note(moved, event)
        self._count(row, moved, event)
        return moved

    def _count(self, old: Row, new: Row, event: RowEvent) -> None:
        self.tally.move(old, new)
        if isinstance(event, Reused):
            self.tally.reused += 1
        elif new.state in ENDED and old.state not in ENDED:
            self.ended += 1
            self.ended_badly += new.state is not State.COMPLETED
        self.changed.set()
