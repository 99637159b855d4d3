"""What a callback leads to: at most one poll, made soon. Only the answer to that poll changes a row.

A callback may also name the run of a row in doubt. That run is then polled, and the answer must agree with what was
submitted before the row is accepted (`ClaimedRuns`).
"""

import asyncio
import logging

from batchrun.domain.answers import Inconclusive, Refusal, RefusalKind, RunState
from batchrun.domain.backoff import retry_delay
from batchrun.domain.events import Accepted
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.context import Context
from batchrun.engine.handover import PostTracker, RunTracker
from batchrun.engine.poll_queue import PollQueue
from batchrun.engine.tracked_run import TrackedRun
from batchrun.ports import Callbacks, DuplicateRunError, Hint, Lookup

log = logging.getLogger("batchrun")

MAX_NOT_FOUND = 4
"""Polls that may answer "no such run" before a claim is dropped: a fresh run may not be visible yet."""


class CallbackListener:
    """Turns the callbacks of a session into polls."""

    def __init__(self, posts: PostTracker, tracker: RunTracker, poll_queue: PollQueue, claims: "ClaimedRuns") -> None:
        self._posts = posts
        self._tracker = tracker
        self._poll_queue = poll_queue
        self._claims = claims

    async def listen(self, callbacks: Callbacks, lookup: Lookup) -> None:
        """Handle callbacks until cancelled."""
        while True:
            hint = await callbacks.next()
            if self._posts.expects(hint):
                continue
            if (run := self._poll_queue.find(hint.row)) is not None:
                self._on_tracked(run, hint)
            elif (row := lookup.find(hint.row)) is not None and row.attempts == hint.attempt:
                self._on_untracked(row, hint)

    def _on_tracked(self, run: TrackedRun, hint: Hint) -> None:
        if run.row.attempts != hint.attempt:
            return  # of an earlier attempt
        if run.claimed_run_id is None:
            self._poll_queue.wake(run)
        elif hint.run_id is not None:
            run.claimed_run_id = hint.run_id
            self._poll_queue.wake(run)

    def _on_untracked(self, row: Row, hint: Hint) -> None:
        if row.state is State.IN_DOUBT and hint.run_id is not None:
            self._claims.add(row, hint.run_id)
        elif row.state is State.TIMED_OUT:
            self._tracker.poll_once_more(row)
        else:
            self._poll_queue.on_late_callback(row.row)


class ClaimedRuns:
    """Runs that callbacks name for rows in doubt: each is polled, and compared with what was submitted."""

    def __init__(self, context: Context, poll_queue: PollQueue) -> None:
        self._context = context
        self._transitions = context.transitions
        self._poll_queue = poll_queue

    def add(self, row: Row, run_id: str) -> None:
        """Poll the run that a callback names for `row`, which is in doubt."""
        self._poll_queue.add_claimed(TrackedRun(row, float("inf"), claimed_run_id=run_id, expects_callback=False))

    async def confirm(self, run: TrackedRun, run_id: str, state: RunState) -> bool:
        """A poll of `run_id` was answered with `state`, and nothing in it contradicts: the row is then accepted.

        Returns False if another row has this run. Later answers are compared as well (`answer_check`).
        """
        row = run.row
        now = self._transitions.now()
        event = Accepted(run_id, state.status, row.submitted_at or row.intent_at or now, now, state.created_at)
        try:
            run.row = await self._transitions.apply(row, event)
        except DuplicateRunError:
            self.drop(run, run_id, "another row has it")
            return False
        log.info("row %d: its run is %s: a callback named it and a poll confirmed it", row.row, run_id)
        run.claimed_run_id, run.unanswered = None, 0
        run.deadline = asyncio.get_running_loop().time() + self._context.settings.run_timeout
        self._context.in_flight.resolve_doubt(row.row)
        return True

    def on_refusal(self, run: TrackedRun, run_id: str, answer: Refusal | Inconclusive) -> None:
        """The service did not describe the run that a callback named."""
        not_found = isinstance(answer, Refusal) and answer.kind is RefusalKind.GONE
        run.unanswered += 1
        if not_found and run.unanswered < MAX_NOT_FOUND:
            self._poll_queue.poll_after(run, retry_delay(run.unanswered, 1.0))
        else:
            self.drop(run, run_id, str(answer))

    def give_up(self, run: TrackedRun, reason: str) -> None:
        """Polls of the run that a callback named bring nothing."""
        self.drop(run, run.claimed_run_id or "", reason)

    def drop(self, run: TrackedRun, run_id: str, reason: str) -> None:
        """The run that a callback named is not that of this row, or nothing shows that it is."""
        log.info("row %d: stays in doubt: a callback named the run %s, but: %s", run.row.row, run_id, reason)
        if run.claimed_run_id == run_id:
            self._poll_queue.remove(run)
            self._transitions.changed.set()
        else:  # another callback has named another run meanwhile
            run.unanswered = 0
            self._poll_queue.add_claimed(run)
