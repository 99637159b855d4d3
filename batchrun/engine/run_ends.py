"""What happens when the run of a row is not polled any more: the row has ended, or is submitted again."""

from collections.abc import Callable

from batchrun.domain.events import Settled
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.context import Context
from batchrun.engine.handover import Requeue
from batchrun.engine.poll_queue import PollQueue
from batchrun.engine.tracked_run import TrackedRun
from batchrun.ports import Work

MAX_REMEMBERED = 1000
"""Rows that timed out in this session and are remembered, in case a callback says that their run has ended."""


class RunEnds:
    """Ends the polling of runs. `forget` is called with each of them."""

    def __init__(
        self, context: Context, poll_queue: PollQueue, requeue: Requeue, forget: Callable[[TrackedRun], None]
    ) -> None:
        self._transitions = context.transitions
        self._in_flight = context.in_flight
        self._has_files = bool(context.mapping.files)
        self._poll_queue = poll_queue
        self._requeue = requeue
        self._forget = forget
        self.timed_out: dict[int, None] = {}
        """Rows that timed out in this session, the last `MAX_REMEMBERED` of them."""

    async def end(self, run: TrackedRun, row: Row, *, keep: bool = False) -> None:
        """Stop polling the run; `row` is as it is recorded. `keep`: do not submit it again, though a retry would."""
        self._forget(run)
        if run.resubmit and row.state is not State.COMPLETED and not keep:
            row = await self._transitions.apply(row, Settled(State.QUEUED, self._transitions.now()))
        self._poll_queue.remove(run)
        if row.state is State.TIMED_OUT and not run.timed_out:
            self.timed_out[row.row] = None
            if len(self.timed_out) > MAX_REMEMBERED:
                del self.timed_out[next(iter(self.timed_out))]
        self._transitions.latencies.on_run_ended(row)
        queued = row.state is State.QUEUED
        values = None if self._has_files else run.values  # files may have changed: such a row is read again
        if run.resubmit:
            if queued and self._has_files:
                self._requeue.recall(row, None)
            self._requeue.give_back(Work(row, values or ()) if queued and not self._has_files else None)
        elif not run.timed_out:
            self._in_flight.release(run.row.row)
            if queued:
                self._requeue.recall(row, values)
        self._transitions.changed.set()
