"""What the answer to a poll, or the lack of one, means for its row."""

import asyncio
import logging

from batchrun.dialects.base import head
from batchrun.domain.answers import ENDS, Inconclusive, Phase, PollAnswer, Refusal, RefusalKind, RunState
from batchrun.domain.backoff import retry_delay
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import Deadline, Gone, StillRunning
from batchrun.domain.randomness import draw
from batchrun.domain.states import State
from batchrun.engine.admission import SILENT_PAUSE, pause_end
from batchrun.engine.backlog import MAX_RETRY_DELAY
from batchrun.engine.callbacks import ClaimedRuns
from batchrun.engine.context import Context
from batchrun.engine.handover import Requeue
from batchrun.engine.parsed import parsed
from batchrun.engine.poll_queue import PollQueue
from batchrun.engine.run_ends import RunEnds
from batchrun.engine.run_outcomes import run_outcome
from batchrun.engine.settings import InDoubt, Stop
from batchrun.engine.timeout_problems import UnknownWords, timeout_problem
from batchrun.engine.tracked_run import TrackedRun
from batchrun.engine.unhelpful_polls import MIN_UNHELPFUL, Conclusion, Unhelpful, UnhelpfulPolls
from batchrun.errors import ExitCode
from batchrun.ports import NoTokenError, Response, TransportError

log = logging.getLogger("batchrun")

GRACE_SECONDS = 60.0
"""A run accepted less than this ago may not be visible yet: a 404 then proves nothing."""

MAX_HELD_WARNINGS = 3
"""Runs whose answers are not believed, for which a warning is logged."""


class PollOutcomes:
    """Records what came of each poll, and has the run polled again where it has not ended."""

    def __init__(
        self,
        context: Context,
        poll_queue: PollQueue,
        unhelpful: UnhelpfulPolls,
        claims: ClaimedRuns,
        requeue: Requeue,
    ) -> None:
        self._settings = context.settings
        self._dialect = context.dialect
        self._transitions = context.transitions
        self._admission = context.admission
        self._requests = context.admission.polls
        self._in_flight = context.in_flight
        self._counters = context.counters
        self._stopping = context.stopping
        self._poll_queue = poll_queue
        self._claims = claims
        self._time = asyncio.get_running_loop().time
        self._check = context.answer_check
        self._unhelpful = unhelpful
        self._health_check = unhelpful.health_check
        self._unknown_words = UnknownWords()
        self._held_warnings = 0
        self._ends = RunEnds(context, poll_queue, requeue, self._unhelpful.forget)
        self.timed_out = self._ends.timed_out
        """See `RunEnds`."""

    async def on_answer(self, run: TrackedRun, claimed: str | None, response: Response, sent_at: float) -> None:
        """A poll sent at `sent_at` (event loop time) was answered. `claimed`: the claimed run_id that it checks."""
        answer: PollAnswer = parsed(self._dialect.parse_poll, response)
        if run.is_health_check:
            refusal = self._health_check.on_answer(run, answer, sent_at)
            if refusal is not None:
                self._stop(f"{refusal}{response.token_hint}", refusal)
            return
        run.is_refused = False
        match answer:
            case RunState():
                objection = await self._check.objection(run, claimed or run.row.run_id or "", answer)
                if objection is not None:
                    said = f"HTTP {response.status} {objection}: {head(response.body)}"
                    await self._on_disbelieved(run, claimed, said, answer, sent_at)
                    return
                self._requests.on_success()
                if claimed is None or await self._claims.confirm(run, claimed, answer):
                    await self._on_state(run, answer, sent_at)
            case Refusal() | Inconclusive() if claimed is not None and not _is_transient(answer):
                self._requests.on_success()
                self._claims.on_refusal(run, claimed, answer)
            case Refusal():
                await self._on_refusal(run, answer, sent_at, response.token_hint)
            case Inconclusive(message, is_not_visible=True):
                self._requests.on_success()
                await self._not_ended(run, None, sent_at, Unhelpful(message))
            case Inconclusive(message, http_status) if (http_status or 0) < 500:
                log.info("row %d: poll not understood: %s", run.row.row, message)
                is_unreadable = 200 <= (http_status or 0) < 300
                await self._on_unhelpful(run, Unhelpful(message, is_unreadable=is_unreadable), sent_at)
            case _:
                await self.on_no_answer(run, answer.message, sent_at)

    async def _on_disbelieved(
        self, run: TrackedRun, claimed: str | None, said: str, state: RunState, sent_at: float
    ) -> None:
        """The answer is about another run. It shows nothing about the service, good or bad."""
        if claimed is not None:
            self._claims.drop(run, claimed, said)
            return
        log.info("row %d: poll not believed: %s", run.row.row, said)
        is_named, names_another = self._check.named(run, state.identity)
        is_held = is_named or not names_another
        if is_held and state.phase in ENDS and not run.timed_out:
            self._in_flight.lend(run.row.row)
        if is_held and run.unanswered == MIN_UNHELPFUL:
            self._warn_of_held(run, said)
        await self._on_unhelpful(run, Unhelpful(said, is_held=is_held, names_another=names_another), sent_at)

    def _warn_of_held(self, run: TrackedRun, said: str) -> None:
        self._held_warnings += 1
        if self._held_warnings <= MAX_HELD_WARNINGS:
            log.warning("row %d: its answers are not believed, and asked for again: %.300s", run.row.row, said)

    async def on_no_answer(self, run: TrackedRun, message: str, sent_at: float) -> None:
        """No answer says nothing about the run. It is polled again, at growing intervals. `message`: what happened."""
        if run.is_health_check:
            self._health_check.on_failure(run, message)
        else:
            run.is_refused = False
            await self._on_unhelpful(run, Unhelpful(message, is_failure=True), sent_at)

    async def _on_unhelpful(self, run: TrackedRun, said: Unhelpful, sent_at: float, token_hint: str = "") -> None:
        run.may_have_result |= said.is_unreadable or said.is_held
        match self._unhelpful.on_unhelpful(run, said, sent_at):
            case Conclusion.POLL_AGAIN:
                self._poll_queue.poll_after(run, self._delay(run, said))
            case Conclusion.STOP:
                self._poll_queue.poll_by_schedule(run, run.row.run_polls)
                self._stop(f"{said.message}{token_hint}", said.refusal)
            case Conclusion.END:
                await self._end(run, said)
                others = self._unhelpful.also_over()
                for other, _ in others:  # nothing else may end or poll them while one after the other is recorded
                    self._poll_queue.withdraw(other)
                for other, last in others:
                    await self._end(other, last)

    def _delay(self, run: TrackedRun, said: Unhelpful) -> float:
        """Seconds until the next poll of a run after an unhelpful one."""
        chance = draw(self._settings.seed, run.row.row, run.unanswered, "miss")
        delay, now = retry_delay(run.unanswered, chance, 1.0, 30.0), self._time()
        if said.is_throttled:  # the others have the time after the pause to themselves
            return delay + max(0.0, self._requests.pause.until - now)
        asked = (said.refusal.retry_after if said.refusal is not None else None) or 0.0
        if asked <= delay or self._unhelpful.is_due_to_end(run):
            return delay
        longest = MAX_RETRY_DELAY
        if not self._unhelpful.is_proven(run, said):
            longest = min(longest, self._settings.max_outage)
        delay = max(delay, min(asked, longest, run.deadline - now))
        if delay > SILENT_PAUSE and run.unanswered == 1:
            end = pause_end(delay, self._transitions.now())
            log.warning("row %d: its next poll waits %.0f s, %s: %s", run.row.row, delay, end, said.message)
        return delay

    async def _end(self, run: TrackedRun, said: Unhelpful) -> None:
        match run:
            case TrackedRun() if run.claimed_run_id is not None:
                self._unhelpful.forget(run)
                self._claims.give_up(run, said.message)
            case TrackedRun() if run.timed_out:
                # A result may be there, only not read or believed. It is paid for again only if the user says so.
                keep = run.may_have_result and self._settings.in_doubt is not InDoubt.RESUBMIT
                await self._ends.end(run, run.row, keep=keep)
            case _:
                polls = run.row.run_polls + run.unanswered
                problem = timeout_problem(self._settings, run, None, polls, said)
                event = Deadline(problem, self._transitions.now())
                await self._ends.end(run, await self._transitions.apply(run.row, event))

    def _stop(self, said: str, refusal: Refusal | None) -> None:
        reason = f"the service refused to report on a run: {said}. Are the token and --api right?"
        advised = "" if refusal is None else refusal.advised_options
        self._stopping.request(Stop(ExitCode.STOPPED, reason, advised_options=advised))

    def on_no_token(self, run: TrackedRun, error: NoTokenError) -> None:
        """The run is left to the next command."""
        self._poll_queue.poll_by_schedule(run, run.row.run_polls)
        self._stopping.request(Stop(ExitCode.STOPPED, str(error)))

    def on_wrong_server(self, error: TransportError) -> None:
        """No connection can be made, and to wait would not help. Once something was answered, it is an outage."""
        if not self._admission.has_succeeded:
            self._stopping.request(Stop(ExitCode.STOPPED, str(error)))

    async def _on_refusal(self, run: TrackedRun, refusal: Refusal, sent_at: float, token_hint: str) -> None:
        match refusal.kind:
            case RefusalKind.THROTTLED:
                self._counters.throttled += 1
                self._admission.throttled(self._requests, sent_at, refusal, self._transitions.now(), run.row.row)
                await self._on_unhelpful(run, Unhelpful(str(refusal), refusal, is_failure=True), sent_at)
            case RefusalKind.BUSY:
                await self._on_unhelpful(run, Unhelpful(str(refusal), refusal, is_failure=True), sent_at)
            case RefusalKind.GONE:
                self._requests.on_success()
                await self._on_not_found(run, refusal)
            case RefusalKind.ROW:
                self._requests.on_success()
                log.info("row %d: poll refused: %s", run.row.row, refusal)
                await self._not_ended(run, None, sent_at, Unhelpful(str(refusal), refusal))
            case _:
                log.info("row %d: poll refused: %s", run.row.row, refusal)
                await self._on_unhelpful(run, Unhelpful(str(refusal), refusal), sent_at, token_hint)

    async def _on_state(self, run: TrackedRun, state: RunState, sent_at: float) -> None:
        run.unanswered = 0
        match state.phase:
            case Phase.COMPLETED | Phase.FAILED | Phase.INTERRUPTED:
                event = run_outcome(run.row, state, self._settings, self._transitions.now())
                self._poll_queue.on_run_ended(run, state)
                deferrable = not self._in_flight.has_waiters
                row = await self._transitions.apply(run.row, event, deferrable=deferrable)
                if row.state is State.COMPLETED:
                    self._health_check.completed = row
                    self._counters.irregular_outputs += state.is_irregular
                await self._ends.end(run, row)
            case Phase.RUNNING:
                run.status_known, run.seen_running_at = True, sent_at
                await self._not_ended(run, state, sent_at)
            case Phase.UNKNOWN:
                self._unknown_words.report(state.status)
                await self._not_ended(run, state, sent_at)

    async def _on_not_found(self, run: TrackedRun, refusal: Refusal) -> None:
        now = self._transitions.now()
        # By the clock of the loop: the wall clock may have been set since the run was accepted.
        age = self._time() - (run.deadline - run.overdue - self._settings.run_timeout)
        if age < GRACE_SECONDS:
            self._unhelpful.forget(run)
            self._poll_queue.poll_by_schedule(run, run.not_found)
            run.not_found += 1
            return
        message = f"the service no longer knows the run: {refusal.message}"
        problem = Problem(ErrorKind.LOST, message, refusal.code, refusal.http_status)
        await self._ends.end(run, await self._transitions.apply(run.row, Gone(problem, now, refusal.details)))

    async def _not_ended(
        self, run: TrackedRun, state: RunState | None, sent_at: float, said: Unhelpful | None = None
    ) -> None:
        """The run has not ended. Only a poll that left after the deadline may time it out.

        `said`: what the service answered, if it was not a state.
        """
        self._unhelpful.forget(run)
        row, settings, transitions = run.row, self._settings, self._transitions
        details = state.details if state else None
        event = StillRunning(state.status, state.created_at, state.updated_at, details) if state else StillRunning(None)
        polls = row.run_polls + 1
        out_of_polls = settings.max_polls is not None and polls >= settings.max_polls
        if not run.timed_out and (out_of_polls or sent_at >= run.deadline):
            problem = timeout_problem(settings, run, state, polls, said)
            await self._ends.end(run, await transitions.apply(row, Deadline(problem, transitions.now(), details)))
            return
        run.row = await transitions.note(row, event)
        if run.timed_out:
            await self._ends.end(run, run.row)
        else:
            run.expects_callback = True
            self._poll_queue.poll_by_schedule(run, polls)


def _is_transient(answer: Refusal | Inconclusive) -> bool:
    """Whether the answer is about the present state of the service and says nothing about the run."""
    if isinstance(answer, Refusal):
        return answer.kind in {RefusalKind.THROTTLED, RefusalKind.BUSY}
    return (answer.http_status or 0) >= 500
