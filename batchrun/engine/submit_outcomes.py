"""What the answer to a POST, or the want of one, means for its row."""

import asyncio
import logging
from collections.abc import Mapping

from batchrun.dialects import DIALECTS
from batchrun.dialects.foreign_api import ForeignApi
from batchrun.domain.answers import AcceptedAnswer, Inconclusive, Refusal, RefusalKind, SubmitAnswer, SyncResult
from batchrun.domain.backoff import retry_delay
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import Accepted, Refunded, RefusedForNow, Unconfirmed
from batchrun.domain.fault_attribution import IDENTICAL_REFUSALS
from batchrun.domain.frozen import copied
from batchrun.domain.randomness import draw
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.backlog import LONGEST_DELAY
from batchrun.engine.context import Context
from batchrun.engine.pending_post import PendingPost
from batchrun.engine.refusals import RefusalHandler
from batchrun.engine.run_outcomes import run_outcome
from batchrun.engine.settings import Stop
from batchrun.errors import ExitCode
from batchrun.ports import DuplicateRunError, Response, TransportError

log = logging.getLogger("batchrun")


class SubmitOutcomes:
    """Records what came of each POST. `posts`: those under way."""

    def __init__(
        self, context: Context, refusals: RefusalHandler, posts: "Mapping[asyncio.Task[None], PendingPost]"
    ) -> None:
        self._settings = settings = context.settings
        self._time = asyncio.get_running_loop().time
        self._dialect = dialect = context.dialect
        self._parse = dialect.parse_synchronous if settings.synchronous else dialect.parse_submit
        self._backlog = context.backlog
        self._transitions = context.transitions
        self._admission = context.admission
        self._requests = context.admission.submits
        self._refusals = refusals
        self._counters = context.counters
        self._posts = posts
        self._stopping = context.stopping
        self._inconclusive = 0
        self._last_failed = float("-inf")
        """When the last POST left that failed."""

    async def on_answer(self, post: PendingPost, response: Response) -> Row:
        answer: SubmitAnswer = self._parse(response.status, response.headers, response.body, response.received_at)
        if not self._refusals.has_accepted and isinstance(answer, Refusal | Inconclusive):
            foreign_api = self._dialect.foreign_api(response.status, response.body)
            if foreign_api is not None and not _is_for_now(answer):
                return await self._on_foreign_api(post, answer, foreign_api)
        match answer:
            case SyncResult():
                return await self._ended(post, answer)
            case AcceptedAnswer():
                return await self._accepted(post, answer)
            case Inconclusive(message, http_status):
                return await self._inconclusive_answer(post, message, http_status or 0)
            case Refusal():
                return await self._refused(post, answer, response.because)

    async def on_no_answer(self, post: PendingPost, error: TransportError) -> Row:
        if not (error.timed_out and self._settings.synchronous) or self._requests.breaker.is_open:
            # A synchronous run that takes too long is no sign of an outage, only none of its end either.
            self._failed(post, str(error))
        if error.sent:
            row = await self.doubt(post, f"no answer to the POST: {error}")
            await self._excuse_in_outage()
            return row
        log.info("row %d: not connected: %s", post.row.row, error)
        return await self._refund(post, self.delay(post.row, 1))

    async def _accepted(self, post: PendingPost, answer: AcceptedAnswer) -> Row:
        self._requests.on_success()
        event = Accepted(answer.run_id, answer.status, post.submitted_at, self._transitions.now(), answer.created_at)
        try:
            row = await self._transitions.apply(post.row, event)
        except DuplicateRunError:
            return await self._of_another_row(post, answer.run_id)
        self._transitions.latencies.submit.add(self._time() - post.left_at)
        await self._refusals.accepted(row, post.left_at)
        return row

    async def _ended(self, post: PendingPost, answer: SyncResult) -> Row:
        """The answer is the result."""
        self._requests.on_success()
        transitions, run_id = self._transitions, answer.run_id
        event = run_outcome(
            post.row, answer.state, self._settings, transitions.now(), run_id=run_id, submitted_at=post.submitted_at
        )
        try:
            row = await transitions.apply(post.row, event)
        except DuplicateRunError:
            return await self._of_another_row(post, run_id)
        transitions.latencies.on_run_ended(row)
        if row.state is State.QUEUED:
            self._backlog.put_back(copied(post.work, row=row))
        await self._refusals.accepted(row, post.left_at)
        return row

    async def _of_another_row(self, post: PendingPost, run_id: str | None) -> Row:
        # Somebody gave us the answer to another request; a result in it is that one's.
        return await self.doubt(post, f"the service answered with run_id {run_id}, which another row has")

    async def _inconclusive_answer(self, post: PendingPost, message: str, http_status: int) -> Row:
        if http_status >= 500 or http_status == 408:
            self._failed(post)
        else:
            self._requests.on_success()
            self._inconclusive += 1
        row = await self.doubt(post, message, http_status)
        await self._refusals.inconclusive()
        await self._excuse_in_outage()
        if not self._refusals.has_accepted and (300 <= http_status < 400 or self._inconclusive >= IDENTICAL_REFUSALS):
            reason = f"the service does not answer as the API documents: {message}. Is --base-url right?"
            self._stopping.request(Stop(ExitCode.STOPPED, reason))
        return row

    async def _on_foreign_api(self, post: PendingPost, answer: Refusal | Inconclusive, foreign_api: ForeignApi) -> Row:
        """Another API is spoken there: the first row is enough to learn it, and no other one is sent."""
        self._requests.on_success()
        said = str(answer) if isinstance(answer, Refusal) else answer.message
        if isinstance(answer, Refusal) or foreign_api.refused:
            row, fate = await self._refund(post), "was not accepted, and is queued again"
        else:
            row = await self.doubt(post, said, answer.http_status)
            fate = f"is in doubt, for a run was made ({foreign_api.run})" if foreign_api.run else "is in doubt"
        reason = f"{foreign_api.advice(DIALECTS)}. Row {row.row} {fate}. It said: {said}"
        self._stopping.request(Stop(ExitCode.STOPPED, reason))
        return row

    async def _refused(self, post: PendingPost, refusal: Refusal, because: str) -> Row:
        match refusal.kind:
            case RefusalKind.BUSY:
                if self._requests.breaker.is_open or self._refusals.may_signal_outage(post.row):
                    self._failed(post, str(refusal))
                return await self._hold(post, refusal, ErrorKind.EXHAUSTED)
            case RefusalKind.ROW:
                self._requests.on_success()
                return await self._hold(post, refusal, ErrorKind.REJECTED)
            case RefusalKind.THROTTLED:
                self._counters.throttled += 1
                self._admission.throttled(self._requests, post.left_at, refusal.retry_after)
                if not self._is_serving(post):
                    self._failed(post)
                return await self._refund(post)
            case _:
                self._requests.on_success()
                self._stopping.request(Stop(ExitCode.STOPPED, f"{_BLAME[refusal.kind]} {refusal}{because}"))
                return await self._refund(post)

    # The answer to a synchronous run comes late, a refusal at once: a POST that is still in the air while a later one
    # is refused was taken, as far as anybody can tell.

    def _failed(self, post: PendingPost, trouble: str = "") -> None:
        """The service is not well: one failure more in a row, unless it took a POST between the last one and this."""
        if not self._requests.breaker.is_open and self._is_serving(post, since=self._last_failed):
            self._requests.breaker.on_success()
        self._last_failed = self._time() if post.sent_at is None else post.sent_at
        self._requests.on_failure(trouble)

    def _is_serving(self, post: PendingPost, since: float = float("-inf")) -> bool:
        """Whether the service is at work on a POST that left before `post`, and after `since`."""
        before = float("inf") if post.sent_at is None else post.sent_at
        return self._settings.synchronous and any(
            other is not post and other.sent_at is not None and since < other.sent_at < before
            for other in self._posts.values()
        )

    async def _hold(self, post: PendingPost, refusal: Refusal, kind: ErrorKind) -> Row:
        """Refused, and it is not clear yet whose fault it was."""
        delay = self.delay(post.row, post.row.tries, refusal.retry_after)
        problem = Problem(kind, refusal.message, refusal.code, refusal.http_status)
        not_before = self._transitions.now() + round(delay * 1000)
        row = await self._transitions.apply(post.row, RefusedForNow(problem, post.submitted_at, not_before))
        work, out = copied(post.work, row=row), self._requests.breaker.is_open
        if await self._refusals.refused(work, refusal, post.left_at, outage=out):
            reason = f"the first {IDENTICAL_REFUSALS} rows were all refused alike: {refusal}"
            self._stopping.request(Stop(ExitCode.STOPPED, reason))
        return row

    async def _refund(self, post: PendingPost, delay: float = 0.0) -> Row:
        """Back to the queue, at no cost."""
        row = await self._transitions.apply(post.row, Refunded(self._transitions.now()))
        self._backlog.put_back(copied(post.work, row=row), delay)
        await self._excuse_in_outage()
        return row

    async def _excuse_in_outage(self) -> None:
        if self._requests.breaker.is_open:
            await self._refusals.outage()

    async def doubt(self, post: PendingPost, message: str, http_status: int | None = None) -> Row:
        """Nothing proves what became of the POST."""
        problem = Problem(ErrorKind.IN_DOUBT, message, http_status=http_status)
        log.info("row %d: in doubt: %s", post.row.row, message)
        return await self._transitions.apply(post.row, Unconfirmed(problem, post.submitted_at))

    def delay(self, row: Row, failures: int, retry_after: float | None = None) -> float:
        """Seconds until the next attempt, after so many `failures`."""
        delay = retry_delay(max(1, failures), draw(self._settings.seed, row.row, row.attempts, "retry"))
        return max(delay, min(retry_after or 0.0, LONGEST_DELAY))


def _is_for_now(answer: Refusal | Inconclusive) -> bool:
    """Whether it was refused for what may pass, whoever said so."""
    return isinstance(answer, Refusal) and answer.kind in {RefusalKind.THROTTLED, RefusalKind.BUSY}


_BLAME = {
    RefusalKind.CREDENTIALS: "the service refused the token:",
    RefusalKind.CONFIGURATION: "the service refused the request; are --workflow-id, --base-url and the token right?",
    RefusalKind.QUOTA: "the account's quota is used up:",
}
