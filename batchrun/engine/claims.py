"""Rows in doubt whose run a callback names: a poll of that run decides, and the callback is not believed."""

import logging
from collections.abc import Awaitable, Callable

from batchrun.dialects.base import Dialect
from batchrun.domain.answers import Inconclusive, Refusal, RefusalKind, RunState
from batchrun.domain.backoff import retry_delay
from batchrun.domain.events import Accepted
from batchrun.domain.row import Row
from batchrun.engine.poll_queue import PollQueue, TrackedRun
from batchrun.engine.transitions import Transitions
from batchrun.errors import InputError, StorageError
from batchrun.ports import DuplicateRunError

log = logging.getLogger("batchrun")

MOST_GONE = 4
"""So many polls may say that there is no such run, before it is believed: a fresh one may not be visible yet."""


class ClaimedRuns:
    """Has the run polled that a callback names for a row in doubt, and compares what the service tells of it."""

    def __init__(
        self,
        dialect: Dialect,
        transitions: Transitions,
        poll_queue: PollQueue,
        submitted: Callable[[Row], Awaitable[bytes]],
        on_settled: Callable[[TrackedRun], None],
    ) -> None:
        self._dialect = dialect
        self._transitions = transitions
        self._poll_queue = poll_queue
        self._submitted = submitted
        self._on_settled = on_settled

    def make(self, row: Row, run_id: str) -> None:
        """Have the run polled that is said to be that of `row`, which is in doubt."""
        self._poll_queue.add_claimed(TrackedRun(row, float("inf"), claim=run_id, heard=False))

    async def confirmed(self, run: TrackedRun, claim: str, state: RunState, told: bytes) -> bool:
        """Whether the answer `told` to a poll of `claim` is about the run of this row; then it is accepted."""
        row = run.row
        try:
            contradiction = self._dialect.contradiction(claim, await self._submitted(row), told)
        except (InputError, StorageError, ValueError) as error:
            contradiction = f"what was sent cannot be told any more: {error}"
        if contradiction is not None:
            self._dismissed(run, claim, contradiction)
            return False
        now = self._transitions.now()
        event = Accepted(claim, state.status, row.submitted_at or row.intent_at or now, now, state.created_at)
        try:
            run.row = await self._transitions.apply(row, event)
        except DuplicateRunError:
            self._dismissed(run, claim, "another row has it")
            return False
        log.info("row %d: its run is %s, as a callback said and a poll confirmed", row.row, claim)
        run.claim, run.misses = None, 0
        self._on_settled(run)
        return True

    def denied(self, run: TrackedRun, claim: str, answer: Refusal | Inconclusive) -> None:
        """The service does not tell of the run that a callback named."""
        gone = isinstance(answer, Refusal) and answer.kind is RefusalKind.GONE
        run.misses += 1
        if gone and run.misses < MOST_GONE:
            self._poll_queue.poll_after(run, retry_delay(run.misses, 1.0))
        else:
            self._dismissed(run, claim, str(answer))

    def _dismissed(self, run: TrackedRun, claim: str, reason: str) -> None:
        log.info("row %d: stays in doubt: a callback named the run %s, but: %s", run.row.row, claim, reason)
        if run.claim == claim:
            self._poll_queue.remove(run)
            self._transitions.changed.set()
        else:  # another callback has named another run meanwhile
            run.misses = 0
            self._poll_queue.add_claimed(run)
