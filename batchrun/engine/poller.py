"""Polling: one agenda of what is due, one request at a time per run, no task a run."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence

from batchrun.dialects.base import Dialect
from batchrun.domain.answers import Inconclusive, Phase, PollAnswer, Refusal, RefusalKind, RunState
from batchrun.domain.backoff import retry_delay
from batchrun.domain.counters import Counters
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import Deadline, Gone, Settled, StillRunning
from batchrun.domain.randomness import draw
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.admission import Admission
from batchrun.engine.claims import ClaimedRuns
from batchrun.engine.in_flight import InFlightLimit
from batchrun.engine.poll_queue import PollQueue, TrackedRun
from batchrun.engine.request_runner import PendingRequest, RequestRunner
from batchrun.engine.run_outcomes import ending
from batchrun.engine.settings import Settings, Stop
from batchrun.engine.transitions import Transitions
from batchrun.errors import ExitCode
from batchrun.ports import Request, Transport, TransportError, Work

log = logging.getLogger("batchrun")

MOST_LATE = 1000
"""Rows that timed out earlier are looked at again while fewer runs than this are watched; and so many that time out
now are remembered, in case that a callback tells of them."""

GRACE_MS = 60_000
"""A run accepted less than this ago may not be visible yet: a 404 says nothing."""


class Poller:
    """The poll loop and the polls it started."""

    def __init__(
        self,
        *,
        settings: Settings,
        dialect: Dialect,
        transport: Transport,
        transitions: Transitions,
        admission: Admission,
        poll_queue: PollQueue,
        claims: ClaimedRuns,
        connections: asyncio.Semaphore,
        in_flight: InFlightLimit,
        counters: Counters,
        on_ended: Callable[[Row, Sequence[object] | None], None],
        on_rechecked: Callable[[Work | None], None],
        on_stop: Callable[[Stop], None],
    ) -> None:
        self._settings = settings
        self._time = asyncio.get_running_loop().time
        self._dialect = dialect
        self._transitions = transitions
        self._admission = admission
        self._requests = admission.polls
        self._poll_queue = poll_queue
        self._in_flight = in_flight
        self._claims = claims
        self._counters = counters
        self._on_ended = on_ended
        self._on_rechecked = on_rechecked
        self._on_stop = on_stop
        self._unknown_words: set[str] = set()
        self._late: Iterator[Row] = iter(())
        self._timed_out: dict[int, None] = {}
        self._runner: RequestRunner[_Poll] = RequestRunner(
            admission.polls,
            transport,
            connections,
            settings.max_connections,
            room=transitions.room,
            on_sent=self._sent,
        )
        self.close = self._runner.close
        """Once no other one is to be started: lets the tasks end with their work."""
        self.polls = self._runner.in_progress
        """The polls under way."""

    @property
    def tracked(self) -> int:
        """Runs that have not ended."""
        return len(self._poll_queue)

    def recheck_timed_out(self, late: Iterator[Row]) -> None:
        """Poll these rows, which timed out earlier, once more; a few at a time, however many they are."""
        self._late = late
        self._more_late()

    def _more_late(self) -> None:
        while self.tracked < MOST_LATE and (row := next(self._late, None)) is not None:
            self.track(row, resumed=True)

    def track(
        self, row: Row, values: Sequence[object] | None = None, *, resumed: bool = False, again: bool = False
    ) -> TrackedRun:
        """Poll the run of `row` until it has ended. A resumed one is due at once; `again`: see `TrackedRun`."""
        now = self._time()
        timeout = self._settings.run_timeout
        # The wall clock may have jumped since: never longer than the whole time, never before now.
        age = (self._transitions.now() - (row.accepted_at or 0)) / 1000 if resumed else 0.0
        run = TrackedRun(row, now + min(max(timeout - age, 0.0), timeout), values, again=again, heard=not resumed)
        self._poll_queue.add(run)
        if resumed:
            self._poll_queue.poll_now(run)
        else:
            self._poll_queue.poll_by_schedule(run, 0)
        return run

    def poll_once_more(self, row: Row) -> None:
        """Poll the run of `row` once, because a callback tells of it; only if it timed out in this session.

        Those that timed out before are looked at anyway.
        """
        if row.row in self._timed_out:
            self._poll_queue.add_claimed(TrackedRun(row, 0.0, heard=False))

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Poll what is due, for ever."""
        while True:
            await self._poll_queue.wait_due()
            await self._runner.admit()
            if (run := self._poll_queue.take()) is None:  # callbacks are trusted by now, and it can wait
                self._runner.release_unused()
                continue
            poll = _Poll(run, probe=self._requests.on_prepared(), now=self._time())
            self._runner.start(group, poll, self._poll(poll))

    async def _poll(self, poll: "_Poll") -> None:
        run, claim = poll.run, poll.run.claim
        path = self._dialect.poll_path(self._settings.workflow_id, claim or run.row.run_id or "")
        request = Request("GET", path, None, self._settings.poll_timeout)
        answer: PollAnswer | None = None
        because = ""
        try:
            response = await self._runner.send(poll, request)
            answer = self._dialect.parse_poll(response.status, response.headers, response.body, response.received_at)
            because = response.because
        except TransportError as error:
            log.info("row %d: poll not answered: %s", run.row.row, error)
        sent_at = poll.sent_at or 0.0
        match answer:
            case RunState():
                self._requests.on_success()
                if claim is None or await self._claims.confirmed(run, claim, answer, response.body):
                    await self._on_state(run, answer, sent_at)
            case Refusal() | Inconclusive() if claim is not None and not _passing(answer):
                self._requests.on_success()
                self._claims.denied(run, claim, answer)
            case Refusal():
                await self._refused(run, answer, sent_at, because)
            case Inconclusive(message, http_status) if (http_status or 0) < 500:
                self._requests.on_success()
                log.info("row %d: poll not understood: %s", run.row.row, message)
                await self._not_ended(run, None, sent_at)
            case _:
                self._on_no_answer(run)

    def _sent(self, _: "_Poll") -> None:
        self._counters.polls += 1

    def _on_no_answer(self, run: TrackedRun) -> None:
        """No answer: says nothing of the run. Asked again, ever more slowly."""
        self._requests.on_failure()
        run.misses += 1
        delay = retry_delay(run.misses, draw(self._settings.seed, run.row.row, run.misses, "miss"), 1.0, 30.0)
        self._poll_queue.poll_after(run, delay)

    async def _refused(self, run: TrackedRun, refusal: Refusal, sent_at: float, because: str) -> None:
        match refusal.kind:
            case RefusalKind.THROTTLED:
                self._counters.throttled += 1
                self._admission.throttled(self._requests, sent_at, refusal.retry_after)
                self._requests.on_failure()
                self._poll_queue.poll_by_schedule(run, run.row.run_polls)
            case RefusalKind.BUSY:
                self._on_no_answer(run)
            case RefusalKind.GONE:
                self._requests.on_success()
                await self._gone(run, refusal)
            case RefusalKind.ROW:
                self._requests.on_success()
                log.info("row %d: poll refused: %s", run.row.row, refusal)
                await self._not_ended(run, None, sent_at)
            case _:
                self._requests.on_success()
                self._poll_queue.poll_by_schedule(run, run.row.run_polls)
                reason = f"the service refused to tell of a run: {refusal}{because}. Is the token valid?"
                self._on_stop(Stop(ExitCode.STOPPED, reason))

    async def _on_state(self, run: TrackedRun, state: RunState, sent_at: float) -> None:
        run.misses = 0
        match state.phase:
            case Phase.COMPLETED | Phase.FAILED:
                event = ending(run.row, state, self._settings, self._transitions.now())
                self._poll_queue.on_run_ended(run, state)
                await self._end(
                    run, await self._transitions.apply(run.row, event, patient=not self._in_flight.has_waiters)
                )
            case Phase.RUNNING:
                run.known, run.seen_running_at = True, sent_at
                await self._not_ended(run, state, sent_at)
            case Phase.UNKNOWN:
                if state.status not in self._unknown_words:
                    self._unknown_words.add(state.status)
                    log.warning("the service says %r of a run, a word we do not know: taken as running", state.status)
                await self._not_ended(run, state, sent_at)

    async def _gone(self, run: TrackedRun, refusal: Refusal) -> None:
        now = self._transitions.now()
        if now - (run.row.accepted_at or 0) < GRACE_MS:
            self._poll_queue.poll_by_schedule(run, run.misses)
            run.misses += 1
            return
        problem = Problem(
            ErrorKind.LOST, f"the service no longer knows the run: {refusal.message}", refusal.code, refusal.http_status
        )
        await self._end(run, await self._transitions.apply(run.row, Gone(problem, now)))

    async def _not_ended(self, run: TrackedRun, state: RunState | None, sent_at: float) -> None:
        """An answer, and not the end. `sent_at`: only a poll that left after the deadline may time a run out."""
        row, settings = run.row, self._settings
        event = StillRunning(state.status, state.created_at, state.updated_at) if state else StillRunning(None)
        polls = row.run_polls + 1
        out_of_polls = settings.max_polls is not None and polls >= settings.max_polls
        if not run.late and (out_of_polls or sent_at >= run.deadline):
            await self._end(
                run,
                await self._transitions.apply(
                    row, Deadline(self._timeout_problem(run, state, polls), self._transitions.now())
                ),
            )
            return
        run.row = await self._transitions.note(row, event)
        if run.late:
            await self._end(run, run.row)
        else:
            run.heard = True
            self._poll_queue.poll_by_schedule(run, polls)

    def _timeout_problem(self, run: TrackedRun, state: RunState | None, polls: int) -> Problem:
        word = state.status if state else run.row.status
        out_of_time = f"not ended {self._settings.run_timeout:g} s after it was accepted"
        max_polls = self._settings.max_polls
        reason = f"not ended after {polls} polls" if max_polls is not None and polls >= max_polls else out_of_time
        if state is not None and not run.known:
            return Problem(ErrorKind.UNKNOWN_STATUS, f"{reason}; the service says {word!r}, a word we do not know")
        return Problem(ErrorKind.TIMEOUT, f"{reason}; the service's last word was {word!r}")

    async def _end(self, run: TrackedRun, row: Row) -> None:
        if run.again and row.state is not State.COMPLETED:
            row = await self._transitions.apply(row, Settled(State.QUEUED, self._transitions.now()))
        self._poll_queue.remove(run)
        if row.state is State.TIMED_OUT and not run.late:
            self._timed_out[row.row] = None
            if len(self._timed_out) > MOST_LATE:
                del self._timed_out[next(iter(self._timed_out))]
        self._transitions.latencies.on_run_ended(row)
        if run.again:
            self._on_rechecked(Work(row, run.values or ()) if row.state is State.QUEUED else None)
        elif not run.late:
            self._on_ended(row, run.values)
        self._more_late()
        self._transitions.changed.set()


def _passing(answer: Refusal | Inconclusive) -> bool:
    """Whether it says something of the service, which may be better later, and nothing of the run."""
    if isinstance(answer, Refusal):
        return answer.kind in {RefusalKind.THROTTLED, RefusalKind.BUSY}
    return (answer.http_status or 0) >= 500


class _Poll(PendingRequest):
    """One poll on its way."""

    __slots__ = ("run",)

    def __init__(self, run: TrackedRun, *, probe: bool, now: float) -> None:
        super().__init__(probe=probe, now=now)
        self.run = run
