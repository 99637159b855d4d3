"""The only place where an event changes a row, is recorded, and is counted."""

import asyncio

from batchrun.domain.events import RowEvent
from batchrun.domain.row import Row, decide
from batchrun.domain.states import ENDED, ERROR_STATES, Event, State
from batchrun.domain.tally import Tally
from batchrun.engine.latencies import Latencies
from batchrun.ports import Clock, Journal


class Transitions:
    """Applies events to rows by `decide`, and records the result."""

    def __init__(self, journal: Journal, tally: Tally, clock: Clock) -> None:
        self._journal = journal
        self.now = clock.now
        """The wall clock time, in UTC milliseconds."""
        self.room = journal.room
        """Waits while the journal's queue is full."""
        self.tally = tally
        self.latencies = Latencies(clock.now())
        self.last_errors: dict[str, Row] = {}
        """The last row that failed, timed out or came to be in doubt, for each kind of error."""
        self.ended_badly = 0
        """Rows that failed or timed out since this command started."""
        self.ended = 0
        """Rows that ended since this command started, without reused rows."""
        self.changed = asyncio.Event()
        """Set whenever a row has changed."""

    async def apply(self, row: Row, event: RowEvent, *, deferrable: bool = False) -> Row:
        """Apply `event` and return the row once it is durable. `deferrable`: see `Journal.record`.

        Raises what `decide` and `Journal.record` raise; then nothing has changed.
        """
        return await self.record(row, decide(row, event), event, deferrable=deferrable)

    async def record(self, row: Row, changed_row: Row, event: RowEvent, *, deferrable: bool = False) -> Row:
        """The same for a row to which `decide` has been applied already; `changed_row` is its result."""
        await self._journal.record(changed_row, event, deferrable=deferrable)
        self.count(row, changed_row, event.event)
        return changed_row

    async def note(self, row: Row, event: RowEvent) -> Row:
        """Apply `event` without waiting until it is durable, for changes that a crash may lose without harm."""
        changed_row = decide(row, event)
        await self._journal.note(changed_row, event)
        self.count(row, changed_row, event.event)
        return changed_row

    def count(self, old: Row, new: Row, event: Event) -> None:
        """Count a change that is recorded."""
        self.tally.move(old, new)
        if new.problem is not None and new.state in ERROR_STATES:
            self.last_errors[new.problem.kind] = new
        if event is Event.REUSED:
            self.tally.reused += 1
        elif new.state in ENDED and old.state not in ENDED:
            self.ended += 1
            self.ended_badly += new.state is not State.COMPLETED
        self.changed.set()
