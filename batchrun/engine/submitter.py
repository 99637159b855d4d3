"""Submits rows: from the queue to an accepted run (or, with `--mode sync`, its result), a refusal, or doubt.

The promises depend on the order: a slot in flight, a connection, the intent on disk, the permit, the POST.
"""

import asyncio

from batchrun.dialects.base import ApiRequest, UnsendableError
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import (
    CannotBeSent,
    Refunded,
    Settled,
    SubmitStarted,
)
from batchrun.domain.frozen import copied
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State
from batchrun.engine.context import Context
from batchrun.engine.handover import RunTracker
from batchrun.engine.pending_post import PendingPost
from batchrun.engine.refusals import RefusalHandler
from batchrun.engine.request_runner import RequestRunner
from batchrun.engine.settings import InDoubt, Stop
from batchrun.engine.stop_limits import StopLimits
from batchrun.engine.submit_outcomes import SubmitOutcomes
from batchrun.engine.uploads import Uploads
from batchrun.errors import ExitCode, InputError, StorageError
from batchrun.ports import Hint, Request, TransportError, Work


class _NotAllowedError(Exception):
    """`--max-submissions` allows no second POST of the row."""


class Submitter:
    """The submit loop and the POSTs it started."""

    def __init__(
        self, context: Context, tracker: RunTracker, limits: StopLimits, uploads: Uploads | None = None
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._time = asyncio.get_running_loop().time
        self._backlog = context.backlog
        self._transitions = context.transitions
        self._requests = context.admission.submits
        self._in_flight = context.in_flight
        self._tracker = tracker
        self._limits = limits
        self._uploads = uploads
        self.refusals = RefusalHandler(context)
        self._runner: RequestRunner[PendingPost] = RequestRunner(
            context,
            self._requests,
            on_sent=self._on_sent,
            on_done=self._on_done,
            with_outputs=self._settings.synchronous,
        )
        self.close = self._runner.close
        """Call it when no further POST will start: idle tasks then end."""
        self.posts = self._runner.in_progress
        """The POSTs in progress."""
        self._outcomes = SubmitOutcomes(context, self.refusals, self.posts)
        self._idle = False

    @property
    def exhausted(self) -> bool:
        """Whether no row is queued, being submitted, or waiting for a verdict."""
        return self._idle and self._backlog.empty and not self.posts and not self.refusals.held

    # -- the loop

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Submit queued rows. A row may be queued again at any time, so the loop runs until it is cancelled."""
        while True:
            try:
                work = await self._next(group)
            except (StorageError, InputError) as error:
                # The input failed, not the checkpoint, so POSTs in progress can still be answered and recorded.
                self._context.stopping.request(Stop(ExitCode.STORAGE, str(error)))
                return
            if work.row.state is State.TIMED_OUT:
                self._backlog.hold()
                self._tracker.recheck(work)
                continue
            if self._uploads is not None and work.inputs is None:
                if not self._requests.breaker.is_open:
                    await self._limits.wait_allowed()
                    await self._uploads.start(group, work)
                    continue
                if (prepared := await self._uploads.prepare(work)) is None:
                    continue
                work = prepared  # the probe of an outage
            await self._limits.wait_allowed()
            await self._in_flight.wait_available()
            await self._runner.admit(single=not self.refusals.has_accepted)
            # While it waited, the driver of several workers may have taken the place back.
            while not (self._tracker.allows_submission and self._in_flight.has_room):
                self._runner.release_unused()
                if not self._tracker.allows_submission:
                    await self._tracker.wait_polled()
                await self._in_flight.wait_available()
                await self._runner.admit(single=not self.refusals.has_accepted)
            self._in_flight.acquire()
            self._context.counters.submissions += 1
            post = PendingPost(work, probe=self._requests.on_prepared(), now=self._time())
            self._runner.start(group, post, self._submit(post))

    async def _next(self, group: asyncio.TaskGroup) -> Work:
        while (work := await self._next_due()) is None:
            if self.refusals.held and not self.posts and self._backlog.empty:
                # This runs in its own task, because a verdict must not be cancelled when the job stops, and the job
                # must not end while one is being recorded.
                self._idle = False
                await asyncio.wait({group.create_task(self._conclude(), name="refusals")})
                continue
            self._idle = True
            self._transitions.changed.set()
            await self._backlog.wait()
        self._idle = False
        return work

    async def _conclude(self) -> None:
        """Decide about the last rows: no other row can show whether the service was unavailable, but polls can."""
        is_out = self._requests.breaker.is_open
        if self.refusals.held_as_busy and (is_out or self._context.admission.polls.breaker.since is not None):
            if not is_out:
                self._requests.on_outage()
            await self.refusals.outage()
        else:
            await self.refusals.conclude()

    async def _next_due(self) -> Work | None:
        probe_number = self._requests.breaker.probe_number
        return await self._backlog.probe(probe_number) if probe_number else await self._backlog.take()

    def _on_done(self, post: PendingPost) -> None:
        self._context.counters.submissions -= post.sent_at is None
        self._backlog.notify()
        self._tracker.on_change()
        self._transitions.changed.set()

    def expects(self, hint: Hint) -> bool:
        """Whether the POST of this row is in progress. If so, its callback is kept until the outcome is known."""
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
                self._tracker.accepted(row, post.work.values, post.hint)
            case State.IN_DOUBT:
                await self._settle_doubt(post, row)
                post.settled = True
            case _:
                post.settled = True
                self._in_flight.release()

    async def _send(self, post: PendingPost) -> Row:
        transitions, row = self._transitions, post.work.row
        if row.tries > self._settings.retries and row.problem is not None:
            # An earlier command was killed before the verdict on this row, and the answers to others will bring it.
            await self.refusals.hold(post.work, row.problem, self._time(), outage=self._requests.breaker.is_open)
            return row
        try:
            request = self._request(post.work)
        except (UnsendableError, ValueError) as error:
            return await transitions.apply(row, CannotBeSent(Problem(ErrorKind.INPUT, str(error)), transitions.now()))
        started = SubmitStarted(transitions.now(), post.work.reuse_key)
        post.row = decide(row, started)
        try:
            await transitions.record(row, post.row, started)
            response = await self._runner.send(post, Request.of(request, self._settings.submit_timeout, row.row))
        except TransportError as error:
            return await self._outcomes.on_no_answer(post, error)
        except _NotAllowedError:
            return await self._outcomes.refund(post)
        except asyncio.CancelledError:
            return await self._on_cancelled(post)
        return await self._outcomes.on_answer(post, response)

    def _request(self, work: Work) -> ApiRequest:
        context, row = self._context, work.row
        return (context.settings.dialect_of(row.row) or context.dialect).submit_request(
            context.settings.workflow_of(row.row),
            context.mapping.inputs(work.values) if work.inputs is None else work.inputs,
            synchronous=context.settings.synchronous,
            callback_url=context.callbacks.address(row.row, row.attempts + 1) if context.callbacks else None,
        )

    def _on_sent(self, post: PendingPost) -> None:
        if post.submitted_at:  # the second POST of this row, with a renewed token
            if not self._limits.allows_submission:
                raise _NotAllowedError
            self._context.counters.submissions += 1
        post.submitted_at = self._transitions.now()

    async def _on_cancelled(self, post: PendingPost) -> Row:
        """The job stops. A row whose POST was not sent returns to the queue; otherwise it is in doubt."""
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        if post.sent_at is None:
            return await self._transitions.apply(post.row, Refunded(self._transitions.now()))
        return await self._outcomes.doubt(post, "the job was stopped before the service answered")

    async def _settle_doubt(self, post: PendingPost, row: Row) -> None:
        """Apply `--in-doubt` to a row in doubt."""
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
            self._tracker.in_doubt(row, post.hint)
