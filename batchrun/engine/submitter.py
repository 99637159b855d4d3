"""Submitting: from the queue to an accepted run (or one that has ended: `--mode sync`), a refusal, or doubt.

The order is what makes the promises true: a place in flight, a connection, the intent on disk, the permit, the POST.
"""

import asyncio
from collections.abc import Callable, Sequence

from batchrun.dialects.base import Dialect, UnsendableError
from batchrun.domain.counters import Counters
from batchrun.domain.events import (
    CannotBeSent,
    NotTheRowsFault,
    RefusedForGood,
    Settled,
    SubmitStarted,
)
from batchrun.domain.mapping import ColumnMapping
from batchrun.domain.problems import Kind, Problem
from batchrun.domain.record import copied
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State
from batchrun.engine.backlog import Backlog
from batchrun.engine.board import Board
from batchrun.engine.court import Court, exhausted
from batchrun.engine.gate import Gate
from batchrun.engine.places import Places
from batchrun.engine.post import Post
from batchrun.engine.replies import Replies
from batchrun.engine.settings import InDoubt, Settings, Stop
from batchrun.engine.traffic import Traffic
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
        board: Board,
        gate: Gate,
        places: Places,
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
        self._board = board
        self._lane = gate.submits
        self._places = places
        self._counters = counters
        self._callbacks = callbacks
        self._on_running = on_running
        self._on_doubt = on_doubt
        self._on_late = on_late
        self._on_stop = on_stop
        self.court = Court(board, backlog, settings.retries)
        self._traffic: Traffic[Post] = Traffic(
            gate.submits,
            transport,
            connections,
            settings.max_connections,
            room=board.room,
            on_sent=self._sent,
            on_left=self._left,
        )
        self.dismiss = self._traffic.dismiss
        """Once no other one is to be started: lets the tasks end with their work."""
        self.posts = self._traffic.under_way
        """The POSTs under way."""
        self._replies = Replies(
            settings=settings,
            dialect=dialect,
            backlog=backlog,
            board=board,
            gate=gate,
            court=self.court,
            counters=counters,
            posts=self.posts,
            on_stop=on_stop,
        )
        self._looking = False

    @property
    def exhausted(self) -> bool:
        """Whether nothing is queued any more, in the air, or waiting for a verdict."""
        return self._looking and self._backlog.empty and not self.posts and not self.court.holding

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
            await self._places.available()
            await self._traffic.clear(single=not self.court.opened)
            self._places.take()
            post = Post(work, probe=self._lane.entered(), now=self._time())
            self._traffic.start(group, post, self._submit(post))

    async def _next(self, group: asyncio.TaskGroup) -> Work:
        while (work := await self._due()) is None:
            if self.court.holding and not self.posts and self._backlog.empty:
                # In a task of its own: a verdict must not be cut short when the job stops, and the job has not ended
                # while one is being written down.
                self._looking = False
                await asyncio.wait({group.create_task(self.court.nothing_left(), name="court")})
                continue
            self._looking = True
            self._board.changed.set()
            await self._backlog.wait()
        self._looking = False
        return work

    async def _due(self) -> Work | None:
        probe = self._lane.outage.probe
        return await self._backlog.probe(probe) if probe else await self._backlog.take()

    def _left(self) -> None:
        self._backlog.stir()
        self._board.changed.set()

    def expects(self, hint: Hint) -> bool:
        """Whether the POST of this row is in the air; then a callback of it is kept until its fate is known."""
        for post in self.posts.values():
            if post.row.row == hint.row and not post.settled:
                if post.row.attempts == hint.attempt and (post.hint is None or hint.run_id is not None):
                    post.hint = hint
                return True
        return False

    # -- one POST

    async def _submit(self, post: Post) -> None:
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
                self._places.free()

    async def _send(self, post: Post) -> Row:
        board, row = self._board, post.work.row
        if row.tries > self._settings.retries and row.problem is not None:
            # An earlier command was killed before it knew the verdict.
            return await board.apply(row, RefusedForGood(exhausted(row), board.now()))
        try:
            inputs = self._mapping.inputs(post.work.values)
            body = self._dialect.submit_body(
                self._settings.workflow_id,
                inputs,
                synchronous=self._settings.synchronous,
                callback_url=self._callbacks.address(row.row, row.attempts + 1) if self._callbacks else None,
            )
        except (UnsendableError, ValueError) as error:
            return await board.apply(row, CannotBeSent(Problem(Kind.INPUT, str(error)), board.now()))
        started = SubmitStarted(board.now(), post.work.mark)
        post.row = decide(row, started)
        try:
            await board.record(row, post.row, started)
            request = Request("POST", self._dialect.submit_path(), body, self._settings.submit_timeout)
            response = await self._traffic.send(post, request)
        except TransportError as error:
            return await self._replies.unanswered(post, error)
        except asyncio.CancelledError:
            return await self._given_up(post)
        return await self._replies.answered(post, response)

    def _sent(self, post: Post) -> None:
        post.submitted_at = self._board.now()
        self._counters.submissions += 1

    async def _given_up(self, post: Post) -> Row:
        """The job stops: what was not sent goes back to the queue, what was sent is in doubt."""
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        if post.sent_at is None:
            return await self._board.apply(post.row, NotTheRowsFault(self._board.now()))
        return await self._replies.doubt(post, "the job was stopped before the service answered")

    async def _settle(self, post: Post, row: Row) -> None:
        """Do with a row in doubt what the user chose for all of them."""
        now = self._board.now()
        if self._settings.in_doubt is InDoubt.FAIL:
            await self._board.apply(row, Settled(State.FAILED, now))
            self._places.free()
        elif self._settings.in_doubt is InDoubt.RESUBMIT and row.tries <= self._settings.retries:
            not_before = now + round(1000 * self._replies.delay(row, row.tries))
            event = Settled(State.QUEUED, now, renewed=False, not_before=not_before)
            self._backlog.put_back(copied(post.work, row=await self._board.apply(row, event)))
            self._places.free()
        else:
            self._places.doubt(row.row, post.left_at + self._settings.run_timeout)
            self._on_doubt(row, post.hint)
