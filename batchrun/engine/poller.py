"""Polling: one agenda of what is due, one request at a time per run, no task a run."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence

from batchrun.dialects.base import Dialect
from batchrun.domain.answers import Phase, PollAnswer, Refusal, RefusalKind, RunState, Unproven
from batchrun.domain.backoff import retry_delay
from batchrun.domain.chance import draw
from batchrun.domain.counters import Counters
from batchrun.domain.events import Deadline, Gone, Settled, StillRunning
from batchrun.domain.problems import Kind, Problem
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.board import Board
from batchrun.engine.claims import Claims
from batchrun.engine.endings import ending
from batchrun.engine.gate import Gate
from batchrun.engine.places import Places
from batchrun.engine.settings import Settings, Stop
from batchrun.engine.traffic import Passage, Traffic
from batchrun.engine.watch import Run, Watch
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
        board: Board,
        gate: Gate,
        watch: Watch,
        claims: Claims,
        connections: asyncio.Semaphore,
        places: Places,
        counters: Counters,
        on_ended: Callable[[Row, Sequence[object] | None], None],
        on_looked: Callable[[Work | None], None],
        on_stop: Callable[[Stop], None],
    ) -> None:
        self._settings = settings
        self._time = asyncio.get_running_loop().time
        self._dialect = dialect
        self._board = board
        self._gate = gate
        self._lane = gate.polls
        self._watch = watch
        self._places = places
        self._claims = claims
        self._counters = counters
        self._on_ended = on_ended
        self._on_looked = on_looked
        self._on_stop = on_stop
        self._strange: set[str] = set()
        self._late: Iterator[Row] = iter(())
        self._timed_out: dict[int, None] = {}
        self._traffic: Traffic[_Poll] = Traffic(
            gate.polls,
            transport,
            connections,
            settings.max_connections,
            room=board.room,
            on_sent=self._sent,
        )
        self.dismiss = self._traffic.dismiss
        """Once no other one is to be started: lets the tasks end with their work."""
        self.polls = self._traffic.under_way
        """The polls under way."""

    @property
    def watched(self) -> int:
        """Runs that have not ended."""
        return len(self._watch)

    def look_again(self, late: Iterator[Row]) -> None:
        """Poll these rows, which timed out earlier, once more; a few at a time, however many they are."""
        self._late = late
        self._more_late()

    def _more_late(self) -> None:
        while self.watched < MOST_LATE and (row := next(self._late, None)) is not None:
            self.watch(row, resumed=True)

    def watch(
        self, row: Row, values: Sequence[object] | None = None, *, resumed: bool = False, again: bool = False
    ) -> Run:
        """Poll the run of `row` until it has ended. A resumed one is due at once; `again`: see `Run`."""
        now = self._time()
        timeout = self._settings.run_timeout
        # The wall clock may have jumped since: never longer than the whole time, never before now.
        age = (self._board.now() - (row.accepted_at or 0)) / 1000 if resumed else 0.0
        run = Run(row, now + min(max(timeout - age, 0.0), timeout), values, again=again, heard=not resumed)
        self._watch.add(run)
        if resumed:
            self._watch.at_once(run)
        else:
            self._watch.by_schedule(run, 0)
        return run

    def look_once_more(self, row: Row) -> None:
        """Poll the run of `row` once, because a callback tells of it; only if it timed out in this session.

        Those that timed out before are looked at anyway.
        """
        if row.row in self._timed_out:
            self._watch.look(Run(row, 0.0, heard=False))

    async def run(self, group: asyncio.TaskGroup) -> None:
        """Poll what is due, for ever."""
        while True:
            await self._watch.due()
            await self._traffic.clear()
            if (run := self._watch.take()) is None:  # callbacks are trusted by now, and it can wait
                self._traffic.renounce()
                continue
            poll = _Poll(run, probe=self._lane.entered(), now=self._time())
            self._traffic.start(group, poll, self._poll(poll))

    async def _poll(self, poll: "_Poll") -> None:
        run, claim = poll.run, poll.run.claim
        path = self._dialect.poll_path(self._settings.workflow_id, claim or run.row.run_id or "")
        request = Request("GET", path, None, self._settings.poll_timeout)
        answer: PollAnswer | None = None
        because = ""
        try:
            response = await self._traffic.send(poll, request)
            answer = self._dialect.parse_poll(response.status, response.headers, response.body, response.received_at)
            because = response.because
        except TransportError as error:
            log.info("row %d: poll not answered: %s", run.row.row, error)
        sent_at = poll.sent_at or 0.0
        match answer:
            case RunState():
                self._lane.succeeded()
                if claim is None or await self._claims.confirmed(run, claim, answer, response.body):
                    await self._told(run, answer, sent_at)
            case Refusal() | Unproven() if claim is not None and not _passing(answer):
                self._lane.succeeded()
                self._claims.denied(run, claim, answer)
            case Refusal():
                await self._refused(run, answer, sent_at, because)
            case Unproven(message, http_status) if (http_status or 0) < 500:
                self._lane.succeeded()
                log.info("row %d: poll not understood: %s", run.row.row, message)
                await self._not_ended(run, None, sent_at)
            case _:
                self._missed(run)

    def _sent(self, _: "_Poll") -> None:
        self._counters.polls += 1

    def _missed(self, run: Run) -> None:
        """No answer: says nothing of the run. Asked again, ever more slowly."""
        self._lane.failed()
        run.misses += 1
        delay = retry_delay(run.misses, draw(self._settings.seed, run.row.row, run.misses, "miss"), 1.0, 30.0)
        self._watch.after(run, delay)

    async def _refused(self, run: Run, refusal: Refusal, sent_at: float, because: str) -> None:
        match refusal.kind:
            case RefusalKind.THROTTLED:
                self._counters.throttled += 1
                self._gate.throttled(self._lane, sent_at, refusal.retry_after)
                self._lane.failed()
                self._watch.by_schedule(run, run.row.run_polls)
            case RefusalKind.BUSY:
                self._missed(run)
            case RefusalKind.GONE:
                self._lane.succeeded()
                await self._gone(run, refusal)
            case RefusalKind.ROW:
                self._lane.succeeded()
                log.info("row %d: poll refused: %s", run.row.row, refusal)
                await self._not_ended(run, None, sent_at)
            case _:
                self._lane.succeeded()
                self._watch.by_schedule(run, run.row.run_polls)
                reason = f"the service refused to tell of a run: {refusal}{because}. Is the token valid?"
                self._on_stop(Stop(ExitCode.STOPPED, reason))

    async def _told(self, run: Run, state: RunState, sent_at: float) -> None:
        run.misses = 0
        match state.phase:
            case Phase.COMPLETED | Phase.FAILED:
                event = ending(run.row, state, self._settings, self._board.now())
                self._watch.ended(run, state)
                await self._end(run, await self._board.apply(run.row, event, patient=not self._places.wanted))
            case Phase.RUNNING:
                run.known, run.found_at = True, sent_at
                await self._not_ended(run, state, sent_at)
            case Phase.UNKNOWN:
                if state.status not in self._strange:
                    self._strange.add(state.status)
                    log.warning("the service says %r of a run, a word we do not know: taken as running", state.status)
                await self._not_ended(run, state, sent_at)

    async def _gone(self, run: Run, refusal: Refusal) -> None:
        now = self._board.now()
        if now - (run.row.accepted_at or 0) < GRACE_MS:
            self._watch.by_schedule(run, run.misses)
            run.misses += 1
            return
        problem = Problem(
            Kind.LOST, f"the service no longer knows the run: {refusal.message}", refusal.code, refusal.http_status
        )
        await self._end(run, await self._board.apply(run.row, Gone(problem, now)))

    async def _not_ended(self, run: Run, state: RunState | None, sent_at: float) -> None:
        """An answer, and not the end. `sent_at`: only a poll that left after the deadline may time a run out."""
        row, settings = run.row, self._settings
        event = StillRunning(state.status, state.created_at, state.updated_at) if state else StillRunning(None)
        polls = row.run_polls + 1
        out_of_polls = settings.max_polls is not None and polls >= settings.max_polls
        if not run.late and (out_of_polls or sent_at >= run.deadline):
            await self._end(
                run, await self._board.apply(row, Deadline(self._lateness(run, state, polls), self._board.now()))
            )
            return
        run.row = await self._board.note(row, event)
        if run.late:
            await self._end(run, run.row)
        else:
            run.heard = True
            self._watch.by_schedule(run, polls)

    def _lateness(self, run: Run, state: RunState | None, polls: int) -> Problem:
        word = state.status if state else run.row.status
        out_of_time = f"not ended {self._settings.run_timeout:g} s after it was accepted"
        max_polls = self._settings.max_polls
        reason = f"not ended after {polls} polls" if max_polls is not None and polls >= max_polls else out_of_time
        if state is not None and not run.known:
            return Problem(Kind.UNKNOWN_STATUS, f"{reason}; the service says {word!r}, a word we do not know")
        return Problem(Kind.TIMEOUT, f"{reason}; the service's last word was {word!r}")

    async def _end(self, run: Run, row: Row) -> None:
        if run.again and row.state is not State.COMPLETED:
            row = await self._board.apply(row, Settled(State.QUEUED, self._board.now()))
        self._watch.remove(run)
        if row.state is State.TIMED_OUT and not run.late:
            self._timed_out[row.row] = None
            if len(self._timed_out) > MOST_LATE:
                del self._timed_out[next(iter(self._timed_out))]
        self._board.latencies.ended(row)
        if run.again:
            self._on_looked(Work(row, run.values or ()) if row.state is State.QUEUED else None)
        elif not run.late:
            self._on_ended(row, run.values)
        self._more_late()
        self._board.changed.set()


def _passing(answer: Refusal | Unproven) -> bool:
    """Whether it says something of the service, which may be better later, and nothing of the run."""
    if isinstance(answer, Refusal):
        return answer.kind in {RefusalKind.THROTTLED, RefusalKind.BUSY}
    return (answer.http_status or 0) >= 500


class _Poll(Passage):
    """One poll on its way."""

    __slots__ = ("run",)

    def __init__(self, run: Run, *, probe: bool, now: float) -> None:
        super().__init__(probe=probe, now=now)
        self.run = run
