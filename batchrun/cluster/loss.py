"""What becomes of the rows of a worker that is gone."""

from typing import Protocol

from batchrun.cluster.worker_handle import WorkerHandle
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import FoundAfterRestart, Refunded, Settled
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.settings import InDoubt, Settings
from batchrun.engine.transitions import Transitions

_LOST = "the worker that submitted the row was lost before the service answered"


class GiveBack(Protocol):
    """Takes a row of a worker that is gone."""

    def __call__(self, row: Row, *, is_queued: bool) -> None:
        """Queue the row, or let another worker take it over."""
        ...


class Losses:
    """Settles the rows of workers that are gone, once everything that they reported is on disk."""

    def __init__(self, transitions: Transitions, settings: Settings, give_back: GiveBack) -> None:
        self._transitions = transitions
        self._settings = settings
        self._give_back = give_back

    async def settle(self, worker: WorkerHandle) -> None:
        """Settle the rows of this worker.

        A row whose intent the worker was never told to be on disk was not sent.
        """
        untold = [entry.row for batch in worker.untold for entry in batch.entries]
        unsent = {row.row for row in untold if row.state is State.SUBMITTING}
        rows, worker.rows = worker.rows, {}
        for number in sorted(rows):
            row = rows[number]
            if row.state is State.SUBMITTING and number in unsent:
                row = await self._transitions.apply(row, Refunded(self._transitions.now()))
            elif row.state is State.SUBMITTING:
                row = await self._doubt(row)
            if row.state in {State.QUEUED, State.TIMED_OUT}:
                self._give_back(row, is_queued=True)
            elif row.state in {State.RUNNING, State.IN_DOUBT}:
                self._give_back(row, is_queued=False)

    async def _doubt(self, row: Row) -> Row:
        """Nothing proves what became of its POST. Apply `--in-doubt`."""
        transitions, settings = self._transitions, self._settings
        now = transitions.now()
        row = await transitions.apply(row, FoundAfterRestart(Problem(ErrorKind.IN_DOUBT, _LOST), now))
        if settings.in_doubt is InDoubt.FAIL:
            return await transitions.apply(row, Settled(State.FAILED, now))
        if settings.in_doubt is InDoubt.RESUBMIT and row.tries <= settings.retries:
            return await transitions.apply(row, Settled(State.QUEUED, now, renewed=False))
        return row
