"""Submitting: from the queue to an accepted run, a refusal, or doubt.

The order is what makes the promises true: a place in flight, a connection, the intent on disk, the permit, the POST.
"""

import asyncio
import heapq
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count

from batchrun.dialects.base import Dialect, UnsendableError
from batchrun.domain.answers import Refusal, RefusalKind, SubmitAnswer, Taken, Unproven
from batchrun.domain.backoff import retry_delay
from batchrun.domain.chance import draw
from batchrun.domain.counters import Counters
from batchrun.domain.events import (
    Accepted,
    CannotBeSent,
    NotTheRowsFault,
    RefusedForGood,
    RefusedForNow,
    SentNoProof,
    Settled,
    SubmitStarted,
)
from batchrun.domain.jury import ALIKE, Jury, Ruling
from batchrun.domain.mapping import ColumnMapping
from batchrun.domain.problems import Kind, Problem
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State
from batchrun.engine.board import Board
from batchrun.engine.gate import Gate
from batchrun.engine.places import Places
from batchrun.engine.settings import InDoubt, Settings, Stop
from batchrun.ports import DuplicateRunError, Request, Response, RowSource, Transport, TransportError, Work

log = logging.getLogger("batchrun")

LONGEST_DELAY = 60.0
"""Seconds that a row waits for its next attempt, at the most."""


class Submitter:
    """The submit loop and the POSTs it started."""

    def __init__(
        self,
        *,
        settings: Settings,
        dialect: Dialect,
        mapping: ColumnMapping,
        transport: Transport,
        source: RowSource,
        board: Board,
        gate: Gate,
        places: Places,
        connections: asyncio.Semaphore,
        counters: Counters,
        on_running: Callable[[Row, Sequence[object] | None], None],
        on_stop: Callable[[Stop], None],
    ) -> None:
        self._settings = settings
        self._dialect = dialect
        self._mapping = mapping
        self._transport = transport
        self._source = source
        self._board = board
        self._gate = gate
        self._lane = gate.submits
        self._places = places
        self._connections = connections
        self._counters = counters
        self._on_running = on_running
        self._on_stop = on_stop
        self._jury = Jury()
        self._held: dict[int, Work] = {}
        self._retries: list[tuple[float, int, Work]] = []
        self._order = count()
        self._source_done = False
        self._unproven = 0
        self._news = asyncio.Event()
        self.posts: dict[asyncio.Task[None], _Post] = {}
        """The POSTs under way."""
        self.exhausted = False
        """Whether nothing is queued any more, in the air, or waiting for a verdict."""

    # -- the loop

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Submit until nothing is left to submit; a retry may come later, so it never ends by itself."""
        most_unsent = max(1, self._settings.max_connections // 2)
        while True:
            work = await self._next()
            await self._places.available()
            await self._lane.open(single=not self._jury.opened, most_unsent=most_unsent)
            await self._connections.acquire()
            try:
                await self._lane.approach()
            except BaseException:
                self._connections.release()
                raise
            self._places.take()
            self._lane.entered()
            post = _Post(work)
            task = group.create_task(self._submit(post), name=f"submit {work.row.row}")
            self.posts[task] = post
            task.add_done_callback(self._left)

    def _left(self, task: "asyncio.Task[None]") -> None:
        # A callback and no `finally`: a task that is cancelled before its first step never gets to one.
        self._lane.left(sent=self.posts.pop(task).sent_at is not None)
        self._connections.release()
        self._news.set()

    async def _next(self) -> Work:
        loop = asyncio.get_running_loop()
        while True:
            if self._retries and self._retries[0][0] <= loop.time():
                return heapq.heappop(self._retries)[2]
            if not self._source_done and len(self._retries) < max(1000, self._settings.max_in_flight):
                work = await self._source.next()
                if work is None:
                    self._source_done = True
                elif (delay := self._until_due(work.row)) > 0:
                    self.requeue(work, delay)
                else:
                    return work
                continue
            if self._jury.holding and not self.posts and not self._retries:
                await self._judge(self._jury.nothing_left())
                continue
            self.exhausted = not (self.posts or self._retries or self._jury.holding)
            self._board.changed.set()
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self._retries[0][0] if self._retries else None):
                    await self._news.wait()

    def requeue(self, work: Work, delay: float = 0.0) -> None:
        """Submit `work` again, not before `delay` seconds from now."""
        self.exhausted = False
        due = asyncio.get_running_loop().time() + delay
        heapq.heappush(self._retries, (due, next(self._order), work))
        self._news.set()

    def resubmit(self, row: Row, values: Sequence[object] | None) -> None:
        """Submit a row again whose run failed; without its `values` it is read again from the input."""
        if values is not None:
            self.requeue(Work(row, values), self._until_due(row))
            return
        self._source.recall(row)
        self._source_done = self.exhausted = False
        self._news.set()

    def _until_due(self, row: Row) -> float:
        # Never longer than the longest delay that we give: the wall clock may have been set back since.
        return min(max(((row.not_before or 0) - self._board.now()) / 1000, 0.0), LONGEST_DELAY)

    async def adjourn(self) -> None:
        """Acquit the rows whose verdict is open: the job stops before their neighbours could testify."""
        for ruling in self._jury.nothing_left():
            await self._board.apply(ruling.row, NotTheRowsFault(self._board.now()))

    # -- one POST

    async def _submit(self, post: "_Post") -> None:
        row = await self._send(post)
        match row.state:
            case State.RUNNING:
                self._on_running(row, post.work.values if self._settings.retry_failed_runs else None)
            case State.IN_DOUBT:
                self._places.doubt(asyncio.get_running_loop().time() + self._settings.run_timeout)
                if self._settings.in_doubt is not InDoubt.HOLD:
                    await self._settle(post, row)
            case _:
                self._places.free()

    async def _send(self, post: "_Post") -> Row:
        board, row = self._board, post.work.row
        if row.tries > self._settings.retries and row.problem is not None:
            return await board.apply(row, RefusedForGood(_exhausted(row.problem, row), board.now()))
        try:
            inputs = self._mapping.inputs(post.work.values)
            body = self._dialect.submit_body(self._settings.workflow_id, inputs)
        except (UnsendableError, ValueError) as error:
            return await board.apply(row, CannotBeSent(Problem(Kind.INPUT, str(error)), board.now()))
        started = SubmitStarted(board.now())
        post.row = decide(row, started)
        try:
            await board.apply(row, started)
            request = Request("POST", self._dialect.submit_path(), body, self._settings.request_timeout)
            response = await self._transport.send(request, lambda: self._permit(post))
        except TransportError as error:
            return await self._unanswered(post, error)
        except asyncio.CancelledError:
            return await self._given_up(post)
        return await self._answered(post, response)

    async def _permit(self, post: "_Post") -> None:
        await self._lane.permit(post.prepared_since)
        if post.sent_at is None:
            post.sent_at = asyncio.get_running_loop().time()
            self._lane.sent()
        post.submitted_at = self._board.now()
        self._counters.submissions += 1

    async def _given_up(self, post: "_Post") -> Row:
        """The job stops: what was not sent goes back to the queue, what was sent is in doubt."""
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        if post.sent_at is None:
            return await self._board.apply(post.row, NotTheRowsFault(self._board.now()))
        return await self._doubt(post, "the job was stopped before the service answered")

    async def _unanswered(self, post: "_Post", error: TransportError) -> Row:
        self._lane.failed()
        if error.sent:
            return await self._doubt(post, f"no answer to the POST: {error}")
        log.info("row %d: not connected: %s", post.row.row, error)
        row = await self._board.apply(post.row, NotTheRowsFault(self._board.now()))
        self.requeue(Work(row, post.work.values), self._delay(row, 1))
        await self._outage()
        return row

    async def _answered(self, post: "_Post", response: Response) -> Row:
        answer: SubmitAnswer = self._dialect.parse_submit(
            response.status, response.headers, response.body, response.received_at
        )
        match answer:
            case Taken():
                return await self._taken(post, answer)
            case Unproven(message, http_status):
                return await self._unproven_answer(post, message, http_status or 0)
            case Refusal():
                return await self._refused(post, answer)

    async def _taken(self, post: "_Post", answer: Taken) -> Row:
        self._lane.succeeded()
        event = Accepted(answer.run_id, answer.status, post.submitted_at, self._board.now(), answer.created_at)
        try:
            row = await self._board.apply(post.row, event)
        except DuplicateRunError:
            return await self._doubt(post, f"the service answered with run_id {answer.run_id}, which another row has")
        assert post.sent_at is not None
        self._board.latencies.submit.add(asyncio.get_running_loop().time() - post.sent_at)
        await self._judge(self._jury.accepted())
        return row

    async def _unproven_answer(self, post: "_Post", message: str, http_status: int) -> Row:
        if http_status >= 500 or http_status == 408:
            self._lane.failed()
        else:
            self._lane.succeeded()
            self._unproven += 1
        row = await self._doubt(post, message, http_status)
        await self._judge(self._jury.unproven())
        if not self._jury.opened and (300 <= http_status < 400 or self._unproven >= ALIKE):
            self._on_stop(Stop(4, f"the service does not answer as the API documents: {message}. Is --base-url right?"))
        return row

    async def _refused(self, post: "_Post", refusal: Refusal) -> Row:
        board = self._board
        match refusal.kind:
            case RefusalKind.ROW | RefusalKind.BUSY:
                busy = refusal.kind is RefusalKind.BUSY
                if not busy:
                    self._lane.succeeded()
                elif post.row.tries <= 1 or self._lane.outage.declared:
                    self._lane.failed()
                kind = Kind.EXHAUSTED if busy else Kind.REJECTED
                problem = Problem(kind, refusal.message, refusal.code, refusal.http_status)
                delay = self._delay(post.row, post.row.tries, refusal.retry_after)
                not_before = board.now() + round(delay * 1000)
                row = await board.apply(post.row, RefusedForNow(problem, post.submitted_at, not_before))
                self._held[row.row] = Work(row, post.work.values)
                rulings, alike = self._jury.refused(row, refusal, outage=self._lane.outage.declared)
                await self._judge(rulings)
                await self._outage()
                if alike:
                    self._on_stop(Stop(4, f"the first {ALIKE} rows were all refused alike: {refusal}"))
                return row
            case RefusalKind.THROTTLED:
                assert post.sent_at is not None
                self._counters.throttled += 1
                self._gate.throttled(post.sent_at, refusal.retry_after)
                self._lane.failed()
                row = await board.apply(post.row, NotTheRowsFault(board.now()))
                self.requeue(Work(row, post.work.values))
                await self._outage()
                return row
            case _:
                self._lane.succeeded()
                row = await board.apply(post.row, NotTheRowsFault(board.now()))
                self.requeue(Work(row, post.work.values))
                self._on_stop(Stop(4, f"{_BLAME[refusal.kind]} {refusal}"))
                return row

    async def _doubt(self, post: "_Post", message: str, http_status: int | None = None) -> Row:
        problem = Problem(Kind.IN_DOUBT, message, http_status=http_status)
        log.info("row %d: in doubt: %s", post.row.row, message)
        return await self._board.apply(post.row, SentNoProof(problem, post.submitted_at))

    async def _settle(self, post: "_Post", row: Row) -> None:
        """Do with a row in doubt what the user chose for all of them."""
        now = self._board.now()
        if self._settings.in_doubt is InDoubt.FAIL:
            await self._board.apply(row, Settled(State.FAILED, now))
        elif row.tries <= self._settings.retries:
            delay = self._delay(row, row.tries)
            event = Settled(State.QUEUED, now, renewed=False, not_before=now + round(delay * 1000))
            self.requeue(Work(await self._board.apply(row, event), post.work.values), delay)

    # -- verdicts

    async def _outage(self) -> None:
        if self._lane.outage.declared:
            await self._judge(self._jury.outage())

    async def _judge(self, rulings: list[Ruling]) -> None:
        for row, refusal, guilty in ((r.row, r.refusal, r.guilty) for r in rulings):
            work = self._held.pop(row.row)
            if not guilty:
                now = self._board.now()
                self.requeue(Work(await self._board.apply(row, NotTheRowsFault(now)), work.values))
            elif refusal.kind is RefusalKind.ROW or row.tries > self._settings.retries:
                assert row.problem is not None
                problem = row.problem if refusal.kind is RefusalKind.ROW else _exhausted(row.problem, row)
                await self._board.apply(row, RefusedForGood(problem, self._board.now()))
            else:
                log.info("row %d: tried again after %s", row.row, refusal)
                self.requeue(work, self._until_due(row))
        self._news.set()

    def _delay(self, row: Row, failures: int, retry_after: float | None = None) -> float:
        delay = retry_delay(max(1, failures), draw(self._settings.seed, row.row, row.attempts, "retry"))
        return max(delay, min(retry_after or 0.0, LONGEST_DELAY))


class _Post:
    """One POST on its way."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.row = work.row
        self.prepared_since = asyncio.get_running_loop().time()
        self.sent_at: float | None = None
        """The loop's time of its permit; None while no byte can have left."""
        self.submitted_at = 0


_BLAME = {
    RefusalKind.CREDENTIALS: "the service refused the token (COZE_API_TOKEN or --token-file):",
    RefusalKind.CONFIGURATION: "the service refused the request; are --workflow-id, --base-url and the token right?",
    RefusalKind.QUOTA: "the account's quota is used up:",
}


def _exhausted(problem: Problem, row: Row) -> Problem:
    message = f"refused {row.tries} times, the last time: {problem.message}"
    return Problem(Kind.EXHAUSTED, message, problem.code, problem.http_status)
