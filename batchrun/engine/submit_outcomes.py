"""What the answer to a POST, or the lack of one, means for its row."""

import asyncio
import logging
from collections.abc import Mapping

from batchrun.dialects import DIALECTS
from batchrun.dialects.base import head
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
from batchrun.engine.admission import SILENT_PAUSE, pause_end
from batchrun.engine.backlog import MAX_RETRY_DELAY
from batchrun.engine.context import Context
from batchrun.engine.parsed import foreign_api_of, parsed
from batchrun.engine.pending_post import PendingPost
from batchrun.engine.refusals import RefusalHandler
from batchrun.engine.run_outcomes import run_outcome
from batchrun.engine.settings import Stop
from batchrun.errors import ExitCode
from batchrun.ports import DuplicateRunError, NoTokenError, Response, TransportError

log = logging.getLogger("batchrun")


class SubmitOutcomes:
    """Records the outcome of each POST. `posts`: the POSTs in progress."""

    def __init__(
        self, context: Context, refusals: RefusalHandler, posts: "Mapping[asyncio.Task[None], PendingPost]"
    ) -> None:
        self._settings = settings = context.settings
        self._time = asyncio.get_running_loop().time
        self._dialect = dialect = context.dialect
        self._parse = dialect.parse_synchronous if settings.synchronous else dialect.parse_submit
        self._check = context.answer_check
        self._backlog = context.backlog
        self._transitions = context.transitions
        self._admission = context.admission
        self._requests = context.admission.submits
        self._refusals = refusals
        self._counters = context.counters
        self._posts = posts
        self._stopping = context.stopping
        self._inconclusive_count = 0
        """Inconclusive answers that show no problem of the service."""
        self._last_failed_at = float("-inf")
        """When the last POST that failed was sent."""

    async def on_answer(self, post: PendingPost, response: Response) -> Row:
        answer: SubmitAnswer = parsed(self._parse, response)
        if not self._refusals.has_accepted and isinstance(answer, Refusal | Inconclusive):
            foreign_api = foreign_api_of(self._dialect, response)
            if foreign_api is not None and not _is_for_now(answer):
                return await self._on_foreign_api(post, answer, foreign_api)
        match answer:
            case SyncResult() | AcceptedAnswer():
                return await self._on_run(post, answer, response)
            case Inconclusive(message, http_status):
                return await self._on_inconclusive(post, message, http_status or 0)
            case Refusal():
                return await self._on_refused(post, answer, response.token_hint)

    async def _on_run(self, post: PendingPost, answer: SyncResult | AcceptedAnswer, response: Response) -> Row:
        """The answer tells of a run, unless it is the answer to another request."""
        objection = self._check.objection_to_post(post.row.row, answer.identity)
        if objection is None and isinstance(answer, AcceptedAnswer):
            return await self._on_accepted(post, answer)
        if objection is None and isinstance(answer, SyncResult):
            objection = self._check.objection_to_result(post.row.row, post.work.values, answer.identity)
            if objection is None:
                return await self._on_result(post, answer)
            if answer.run_id is not None:
                log.info("row %d: its run is polled, because its result came %s", post.row.row, objection)
                return await self._on_accepted(post, AcceptedAnswer(answer.run_id, answer.state.status))
        message = f"HTTP {response.status} {objection}: {head(response.body)}"
        return await self._on_inconclusive(post, message, response.status)

    async def on_no_answer(self, post: PendingPost, error: TransportError) -> Row:
        if isinstance(error, NoTokenError):
            self._stopping.request(Stop(ExitCode.STOPPED, str(error)))
            return await self.refund(post)
        if error.permanent and not self._admission.has_succeeded:
            self._stopping.request(Stop(ExitCode.STOPPED, str(error), is_mistake=True))
        elif not (error.timed_out and self._settings.synchronous) or self._requests.breaker.is_open:
            # A synchronous run that takes too long is no sign of an outage.
            self._failed(post, str(error))
        if not self._admission.has_succeeded and not error.permanent:
            self._requests.report_outage(str(error))
        if error.sent:
            row = await self.doubt(post, f"no answer to the POST: {error}")
            await self._excuse_in_outage()
            return row
        log.info("row %d: not connected: %s", post.row.row, error)
        return await self.refund(post, self.delay(post.row, 1))

    async def _on_accepted(self, post: PendingPost, answer: AcceptedAnswer) -> Row:
        self._requests.on_success()
        now, submitted_at = self._transitions.now(), post.submitted_at
        event = Accepted(answer.run_id, answer.status, submitted_at, now, answer.created_at, answer.details)
        try:
            row = await self._transitions.apply(post.row, event)
        except DuplicateRunError:
            return await self._on_duplicate_run(post, answer.run_id)
        self._transitions.latencies.submit.add(self._time() - post.left_at)
        await self._refusals.accepted(row, post.left_at)
        return row

    async def _on_result(self, post: PendingPost, answer: SyncResult) -> Row:
        """The run has ended, and the answer is its result."""
        self._requests.on_success()
        transitions, run_id = self._transitions, answer.run_id
        event = run_outcome(
            post.row, answer.state, self._settings, transitions.now(), run_id=run_id, submitted_at=post.submitted_at
        )
        try:
            row = await transitions.apply(post.row, event)
        except DuplicateRunError:
            return await self._on_duplicate_run(post, run_id)
        transitions.latencies.on_run_ended(row)
        self._counters.irregular_outputs += answer.state.is_irregular and row.state is State.COMPLETED
        if row.state is State.QUEUED:
            self._backlog.put_back(copied(post.work, row=row))
        await self._refusals.accepted(row, post.left_at)
        return row

    async def _on_duplicate_run(self, post: PendingPost, run_id: str | None) -> Row:
        # This is the answer to another request, so a result in it belongs to the other row.
        return await self.doubt(post, f"the service answered with run_id {run_id}, which another row has")

    async def _on_inconclusive(self, post: PendingPost, message: str, http_status: int) -> Row:
        if http_status >= 500 or http_status == 408:
            self._failed(post, message)
        else:
            self._requests.on_success()
            self._inconclusive_count += 1
        row = await self.doubt(post, message, http_status)
        await self._refusals.inconclusive()
        await self._excuse_in_outage()
        if not self._refusals.has_accepted and (
            300 <= http_status < 400 or self._inconclusive_count >= IDENTICAL_REFUSALS
        ):
            reason = f"the service does not answer as the API documents: {message}. Is --base-url right?"
            self._stopping.request(Stop(ExitCode.STOPPED, reason))
        return row

    async def _on_foreign_api(self, post: PendingPost, answer: Refusal | Inconclusive, foreign_api: ForeignApi) -> Row:
        """The service speaks another API. The job stops after the first row, so that no further row is sent there."""
        self._requests.on_success()
        message = str(answer) if isinstance(answer, Refusal) else answer.message
        if isinstance(answer, Refusal) or foreign_api.refused:
            row, outcome = await self.refund(post), "was not accepted, and is queued again"
        else:
            row = await self.doubt(post, message, answer.http_status)
            outcome = f"is in doubt, for a run was made ({foreign_api.run})" if foreign_api.run else "is in doubt"
        reason = f"{foreign_api.advice(DIALECTS)}. Row {row.row} {outcome}. It said: {message}"
        advised = foreign_api.advised_options(DIALECTS)
        self._stopping.request(_mistake(reason, advised, foreign_api=True))
        return row

    async def _on_refused(self, post: PendingPost, refusal: Refusal, token_hint: str) -> Row:
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
                self._admission.throttled(self._requests, post.left_at, refusal, self._transitions.now(), post.row.row)
                if not self._is_serving(post):
                    self._failed(post)
                return await self.refund(post)
            case _:
                self._requests.on_success()
                is_known = bool(refusal.advised_options)  # then nothing need be guessed
                reason = f"{_KNOWN_REASON if is_known else _STOP_REASONS[refusal.kind]} {refusal}{token_hint}"
                stop = Stop(ExitCode.STOPPED, reason, advised_options=refusal.advised_options)
                if refusal.kind is RefusalKind.CONFIGURATION:
                    stop = _mistake(reason, refusal.advised_options)
                self._stopping.request(stop)
                return await self.refund(post)

    # A synchronous run is answered late, a refusal immediately. A POST that is still unanswered when a later one is
    # refused has therefore most likely been accepted.

    def _failed(self, post: PendingPost, error: str = "") -> None:
        """Count a failure of the service. Failures are not in a row if the service accepted a POST between them."""
        if not self._requests.breaker.is_open and self._is_serving(post, since=self._last_failed_at):
            self._requests.breaker.on_success()
        self._last_failed_at = self._time() if post.sent_at is None else post.sent_at
        self._requests.on_failure(error)

    def _is_serving(self, post: PendingPost, since: float = float("-inf")) -> bool:
        """Whether the service is executing a synchronous run whose POST was sent before `post`, and after `since`."""
        before = float("inf") if post.sent_at is None else post.sent_at
        return self._settings.synchronous and any(
            other is not post and other.sent_at is not None and since < other.sent_at < before
            for other in self._posts.values()
        )

    async def _hold(self, post: PendingPost, refusal: Refusal, kind: ErrorKind) -> Row:
        """Queue a refused row, and hold it until it is clear who is at fault."""
        delay = self.delay(post.row, post.row.tries, refusal.retry_after)
        problem = Problem(kind, refusal.message, refusal.code, refusal.http_status)
        now = self._transitions.now()
        if delay > SILENT_PAUSE and refusal.retry_after:
            log.warning("row %d waits %.0f s, %s: %s", post.row.row, delay, pause_end(delay, now), refusal)
        not_before = now + round(delay * 1000)
        event = RefusedForNow(problem, post.submitted_at, not_before, refusal.details)
        row = await self._transitions.apply(post.row, event)
        work, outage = copied(post.work, row=row), self._requests.breaker.is_open
        if await self._refusals.refused(work, refusal, post.left_at, outage=outage):
            reason = f"the first {IDENTICAL_REFUSALS} rows were all refused with the same answer: {refusal}"
            self._stopping.request(_mistake(reason, refusal.advised_options))
        return row

    async def refund(self, post: PendingPost, delay: float = 0.0) -> Row:
        """Return the row to the queue and refund the attempt. It is due in `delay` seconds."""
        row = await self._transitions.apply(post.row, Refunded(self._transitions.now()))
        self._backlog.put_back(copied(post.work, row=row), delay)
        await self._excuse_in_outage()
        return row

    async def _excuse_in_outage(self) -> None:
        if self._requests.breaker.is_open:
            await self._refusals.outage()

    async def doubt(self, post: PendingPost, message: str, http_status: int | None = None) -> Row:
        """Record that nothing proves the outcome of the POST."""
        problem = Problem(ErrorKind.IN_DOUBT, message, http_status=http_status)
        log.info("row %d: in doubt: %s", post.row.row, message)
        return await self._transitions.apply(post.row, Unconfirmed(problem, post.submitted_at))

    def delay(self, row: Row, failures: int, retry_after: float | None = None) -> float:
        """Seconds until the next attempt after `failures` failures, and at least the `retry_after` of the service."""
        delay = retry_delay(max(1, failures), draw(self._settings.seed, row.row, row.attempts, "retry"))
        return max(delay, min(retry_after or 0.0, MAX_RETRY_DELAY))


def _mistake(reason: str, advised_options: str, *, foreign_api: bool = False) -> Stop:
    """The end of a job whose options are wrong, unless it is known with which ones it can go on."""
    return Stop(
        ExitCode.STOPPED,
        reason,
        foreign_api=foreign_api,
        advised_options=advised_options,
        is_mistake=not advised_options,
    )


def _is_for_now(answer: Refusal | Inconclusive) -> bool:
    """Whether the reason of the refusal may pass: throttling, or a busy service."""
    return isinstance(answer, Refusal) and answer.kind in {RefusalKind.THROTTLED, RefusalKind.BUSY}


_KNOWN_REASON = "the service refused the request:"

_STOP_REASONS = {
    RefusalKind.CREDENTIALS: "the service refused the token:",
    RefusalKind.CONFIGURATION: "the service refused the request; are --workflow-id, --base-url and the token right?",
    RefusalKind.QUOTA: "the account's quota is used up:",
}
