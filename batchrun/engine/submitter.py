"""Submitting: from the queue to an accepted run (or one that has ended: `--mode sync`), a refusal, or doubt.

The order is what makes the promises true: a place in flight, a connection, the intent on disk, the permit, the POST.
"""

import asyncio
from collections.abc import Callable, Sequence

from batchrun.dialects.base import Dialect, UnsendableError
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import (
    CannotBeSent,
    Refunded,
    RefusedForGood,
    Settled,
    SubmitStarted,
)
from batchrun.domain.frozen import copied
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State
from batchrun.engine.admission import Admission
from batchrun.engine.backlog import Backlog
from batchrun.engine.in_flight import InFlightLimit
from batchrun.engine.pending_post import PendingPost
from batchrun.engine.refusals import RefusalHandler, exhausted
from batchrun.engine.request_runner import RequestRunner
from batchrun.engine.settings import InDoubt, Settings, Stop
from batchrun.engine.submit_outcomes import SubmitOutcomes
from batchrun.engine.transitions import Transitions
from batchrun.errors import ExitCode, InputError, StorageError
from batchrun.ports import Callbacks, Hint, Request, Transport, TransportError, Work


class Submitter:
    """The submit loop and the POSTs it started."""

    def __init__(
        self,
        *,
        settings: Settings,
        dialect: Dialect,
        mapping: ColumnMapping,
        transport: Transport,
        backlog: Backlog,
        transitions: Transitions,
        admission: Admission,
        in_flight: InFlightLimit,
        connections: asyncio.Semaphore,
        counters: Counters,
        callbacks: Callbacks | None,
        on_running: Callable[[Row, Sequence[object] | None, Hint | None], None],
        on_doubt: Callable[[Row, Hint | None], None],
        on_late: Callable[[Work], None],
        on_stop: Callable[[Stop], None],
    ) -> None:
        self._settings = settings
        self._time = asyncio.get_running_loop().time
        self._dialect = dialect
        self._mapping = mapping
        self._backlog = backlog
        self._transitions = transitions
        self._requests = admission.submits
        self._in_flight = in_flight
        self._counters = counters
        self._callbacks = callbacks
        self._on_running = on_running
        self._on_doubt = on_doubt
        self._on_late = on_late
        self._on_stop = on_stop
        self.refusals = RefusalHandler(transitions, backlog, settings.retries)
        self._runner: RequestRunner[PendingPost] = RequestRunner(
            admission.submits,
            transport,
            connections,
            settings.max_connections,
            room=transitions.room,
            on_sent=self._sent,
            on_done=self._left,
        )
        self.close = self._runner.close
        """Once no other one is to be started: lets the tasks end with their work."""
        self.posts = self._runner.in_progress
        """The POSTs under way."""
        self._outcomes = SubmitOutcomes(
            settings=settings,
            dialect=dialect,
            backlog=backlog,
            transitions=transitions,
            admission=admission,
            refusals=self.refusals,
            counters=counters,
            posts=self.posts,
            on_stop=on_stop,
        )
        self._looking = False

    @property
    def exhausted(self) -> bool:
        """Whether nothing is queued any more, in the air, or waiting for a verdict."""
        return self._looking and self._backlog.empty and not self.posts and not self.refusals.held

    # -- the loop

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Submit what is queued. A row may be queued again at any time, so it never ends by itself."""
        while True:
            try:
                work = await self._next(group)
            except (StorageError, InputError) as error:
                # The input, not the checkpoint: what is in the air can still be answered and recorded.
                self._on_stop(Stop(ExitCode.STORAGE, str(error)))
                return
            if work.row.state is State.TIMED_OUT:
                self._backlog.lend()
                self._on_late(work)
                continue
            await self._in_flight.wait_available()
            await self._runner.admit(single=not self.refusals.has_accepted)
            self._in_flight.acquire()
            post = PendingPost(work, probe=self._requests.on_prepared(), now=self._time())
            self._runner.start(group, post, self._submit(post))

    async def _next(self, group: asyncio.TaskGroup) -> Work:
        while (work := await self._due()) is None:
            if self.refusals.held and not self.posts and self._backlog.empty:
                # In a task of its own: a verdict must not be cut short when the job stops, and the job has not ended
                # while one is being written down.
                self._looking = False
                await asyncio.wait({group.create_task(self.refusals.conclude(), name="court")})
                continue
            self._looking = True
            self._transitions.changed.set()
            await self._backlog.wait()
        self._looking = False
        return work

    async def _due(self) -> Work | None:
        probe = self._requests.breaker.probe_number
        return await self._backlog.probe(probe) if probe else await self._backlog.take()

    def _left(self) -> None:
        self._backlog.notify()
        self._transitions.changed.set()

    def expects(self, hint: Hint) -> bool:
        """Whether the POST of this row is in the air; then a callback of it is kept until its fate is known."""
        for post in self.posts.values():
            if post.row.row == hint.row and not post.settled:
                if post.row.attempts == hint.attempt and (post.hint is None or hint.run_id is not None):
                    post.hint = hint
                return True
        return False

    # -- one POST

    async def _submit(self, post: PendingPost) -> None:
        row = await self._send(post)
        match row.state:
            case State.RUNNING:
                post.settled = True
                self._on_running(row, post.work.values if self._settings.retry_failed_runs else None, post.hint)
            case State.IN_DOUBT:
                await self._settle(post, row)
                post.settled = True
            case _:
                post.settled = True
                self._in_flight.release()

    async def _send(self, post: PendingPost) -> Row:
        transitions, row = self._transitions, post.work.row
        if row.tries > self._settings.retries and row.problem is not None:
            # An earlier command was killed before it knew the verdict.
            return await transitions.apply(row, RefusedForGood(exhausted(row), transitions.now()))
        try:
            inputs = self._mapping.inputs(post.work.values)
            body = self._dialect.submit_body(
                self._settings.workflow_id,
                inputs,
                synchronous=self._settings.synchronous,
                callback_url=self._callbacks.address(row.row, row.attempts + 1) if self._callbacks else None,
            )
        except (UnsendableError, ValueError) as error:
            return await transitions.apply(row, CannotBeSent(Problem(ErrorKind.INPUT, str(error)), transitions.now()))
        started = SubmitStarted(transitions.now(), post.work.reuse_key)
        post.row = decide(row, started)
        try:
            await transitions.record(row, post.row, started)
            request = Request("POST", self._dialect.submit_path(), body, self._settings.submit_timeout)
            response = await self._runner.send(post, request)
        except TransportError as error:
            return await self._outcomes.on_no_answer(post, error)
        except asyncio.CancelledError:
            return await self._given_up(post)
        return await self._outcomes.on_answer(post, response)

    def _sent(self, post: PendingPost) -> None:
        post.submitted_at = self._transitions.now()
        self._counters.submissions += 1

    async def _given_up(self, post: PendingPost) -> Row:
        """The job stops: what was not sent goes back to the queue, what was sent is in doubt."""
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        if post.sent_at is None:
            return await self._transitions.apply(post.row, Refunded(self._transitions.now()))
        return await self._outcomes.doubt(post, "the job was stopped before the service answered")

    async def _settle(self, post: PendingPost, row: Row) -> None:
        """Do with a row in doubt what the user chose for all of them."""
        now = self._transitions.now()
        if self._settings.in_doubt is InDoubt.FAIL:
            await self._transitions.apply(row, Settled(State.FAILED, now))
            self._in_flight.release()
        elif self._settings.in_doubt is InDoubt.RESUBMIT and row.tries <= self._settings.retries:
            not_before = now + round(1000 * self._outcomes.delay(row, row.tries))
            event = Settled(State.QUEUED, now, renewed=False, not_before=not_before)
            self._backlog.put_back(copied(post.work, row=await self._transitions.apply(row, event)))
            self._in_flight.release()
        else:
            self._in_flight.hold_in_doubt(row.row, post.left_at + self._settings.run_timeout)
            self._on_doubt(row, post.hint)
