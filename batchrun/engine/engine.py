"""One session's work on a job: submit and poll until all is done, or until something says stop."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from batchrun.dialects.base import Dialect
from batchrun.domain.callback_reliability import CallbackReliability, Reliability
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.engine.admission import Admission, RequestClass
from batchrun.engine.backlog import Backlog
from batchrun.engine.claims import ClaimedRuns
from batchrun.engine.hearing import CallbackListener
from batchrun.engine.in_flight import InFlightLimit
from batchrun.engine.poll_queue import PollQueue, TrackedRun
from batchrun.engine.poller import Poller
from batchrun.engine.settings import EngineResult, Settings, Stop
from batchrun.engine.submitter import Submitter
from batchrun.engine.transitions import Transitions
from batchrun.errors import ExitCode
from batchrun.ports import Callbacks, Clock, Hint, Journal, Lookup, RateLimiter, RowSource, Transport, Work

log = logging.getLogger("batchrun")

LAST_POLLS = 2.0
"""Seconds that polls in the air are given when the job drains; what they miss is asked again by the next command."""


GRACE_LEAST, GRACE_UNKNOWN = 10.0, 60.0
"""Seconds after its POST that a callback of a row in doubt is waited for when nothing else is left to do: at the least,
and where no run has ended yet; otherwise twice as long as 95 % of the runs take. Never beyond `--run-timeout`."""

LEAST_ENDED = 20
"""So many rows must have ended before a share of failures means anything."""


class Engine:
    """Drives one job through one session. Build it inside a running loop, then await `run` once."""

    def __init__(
        self,
        *,
        settings: Settings,
        dialect: Dialect,
        mapping: ColumnMapping,
        transport: Transport,
        source: RowSource,
        journal: Journal,
        submit_pacer: RateLimiter,
        poll_pacer: RateLimiter,
        clock: Clock,
        tally: Tally,
        counters: Counters,
        on_stopping: Callable[[Stop], None],
        lookup: Lookup,
        callbacks: Callbacks | None = None,
    ) -> None:
        self.settings = settings
        self.transitions = Transitions(journal, tally, clock)
        self.counters = counters
        self.admission = Admission(
            RequestClass("submit", submit_pacer, settings.seed),
            RequestClass("poll", poll_pacer, settings.seed),
            settings.max_outage,
            adaptive=settings.adaptive,
        )
        self._in_flight = InFlightLimit(settings.max_in_flight)
        connections = asyncio.Semaphore(settings.max_connections)
        self._backlog = Backlog(source, clock, max(1000, settings.max_in_flight), self.transitions.note)
        self._mapping, self._dialect = mapping, dialect
        self._callbacks, self._lookup = callbacks, lookup
        self._reliability = CallbackReliability() if callbacks is not None else None
        poll_queue = PollQueue(settings, self._reliability)
        claims = ClaimedRuns(dialect, self.transitions, poll_queue, self._submitted, self._settled)
        self._submitter = Submitter(
            settings=settings,
            dialect=dialect,
            mapping=mapping,
            transport=transport,
            backlog=self._backlog,
            transitions=self.transitions,
            admission=self.admission,
            in_flight=self._in_flight,
            connections=connections,
            counters=counters,
            callbacks=callbacks,
            on_running=self._accepted,
            on_doubt=self._doubted,
            on_late=self._late,
            on_stop=self.stop,
        )
        self._poller = Poller(
            settings=settings,
            dialect=dialect,
            transport=transport,
            transitions=self.transitions,
            admission=self.admission,
            poll_queue=poll_queue,
            claims=claims,
            connections=connections,
            in_flight=self._in_flight,
            counters=counters,
            on_ended=self._ended,
            on_rechecked=self._backlog.returned,
            on_stop=self.stop,
        )
        self._tracked = poll_queue
        self._listener = CallbackListener(self._submitter, self._poller, poll_queue, claims)
        self._stop: Stop | None = None
        self._on_stopping = on_stopping

    def stop(self, stop: Stop) -> None:
        """Stop before the end. Of several reasons the weightiest is told; collecting gives way to draining."""
        before = self._stop
        if before is not None:
            weightiest = min(before, stop, key=lambda one: one.exit_code.precedence)
            stop = replace(weightiest, collect=before.collect and stop.collect)
        self._stop = stop
        if stop != before:
            self._on_stopping(stop)
        self.transitions.changed.set()

    async def run(self, resumed: Iterable[Row] = (), late: Iterable[Row] = ()) -> EngineResult:
        """Work until every row has ended or is held, or until stopped.

        `resumed`: the rows that earlier commands left running or in doubt, those accepted first first; `late`: those
        that timed out, which are looked at once more (less those that are tried again: the source brings them).
        Raises `StorageError` when the checkpoint or the input fails.
        """
        for row in resumed:
            self._adopt(row)
        if self._in_flight.all_in_doubt:
            log.warning(
                "rows in doubt hold all %d places in flight until their runs would have timed out: the service may be "
                "at work on them; --in-doubt resubmit or fail settles them",
                self.settings.max_in_flight,
            )
        self._poller.recheck_timed_out(iter(late))
        async with asyncio.TaskGroup() as group:
            submitting = group.create_task(self._submitter.run(group), name="submit loop")
            polling = group.create_task(self._poller.run(group), name="poll loop")
            watching = group.create_task(self._poll_queue(), name="watch")
            tasks = [submitting, polling, watching]
            if self._callbacks is not None:
                tasks.append(group.create_task(self._listener.listen(self._callbacks, self._lookup), name="callbacks"))
            try:
                await self._until(lambda: (self._finished and not self._awaits_callbacks) or self._stop is not None)
                if not self._finished:
                    await self._wind_up(submitting)
            finally:
                for task in tasks:
                    task.cancel()
                self._submitter.close()
                self._poller.close()
            if not self._finished:
                await self._drain()
        return EngineResult(self._finished, self._stop)

    @property
    def _finished(self) -> bool:
        return self._submitter.exhausted and self._poller.tracked == 0

    @property
    def _awaits_callbacks(self) -> bool:
        """Whether the run of a row in doubt may be under way still, so that a callback may yet name it."""
        last = self._in_flight.last_doubt_ends
        if (
            last is None
            or self._reliability is None
            or self._reliability.level is Reliability.DISTRUSTED
            or self.settings.synchronous
        ):
            return False
        usual = self.transitions.latencies.run.quantile(0.95)
        patience = GRACE_UNKNOWN if usual is None else max(GRACE_LEAST, 2 * usual)
        return asyncio.get_running_loop().time() < last - self.settings.run_timeout + patience

    @property
    def _collected(self) -> bool:
        return not self._submitter.posts and self._poller.tracked == 0

    async def _wind_up(self, submitting: "asyncio.Task[None]") -> None:
        """No new POST; when collecting, wait for the accepted runs."""
        submitting.cancel()
        for task, post in self._submitter.posts.items():
            if post.sent_at is None:
                task.cancel()
        await self._until(lambda: self._collected or (self._stop is not None and not self._stop.collect))

    async def _drain(self) -> None:
        """Wait for the POSTs in the air, and a moment for the polls; what is not answered by then is given up."""
        posts = set(self._submitter.posts)
        if posts:
            log.info("waiting for %d POSTs in the air", len(posts))
            _, late = await asyncio.wait(posts, timeout=self.settings.drain_timeout)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        polls = self._poller.polls
        if polls:
            _, unanswered = await asyncio.wait(set(polls), timeout=LAST_POLLS)
            for task in unanswered:
                task.cancel()
        await self._submitter.refusals.excuse_all()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.transitions.changed.clear()
            await self.transitions.changed.wait()
            self._count_failures()

    def _count_failures(self) -> None:
        settings, transitions = self.settings, self.transitions
        most, percent = settings.max_failures, settings.max_failures_percent
        share = 100 * transitions.ended_badly / transitions.ended if transitions.ended >= LEAST_ENDED else 0.0
        if most is not None and transitions.ended_badly >= most:
            self.stop(Stop(ExitCode.STOPPED, f"--max-failures {most} is reached", collect=True))
        elif percent is not None and share > percent:
            reason = f"--max-failures {percent:g}% is passed: {share:.3g} % of the rows failed"
            self.stop(Stop(ExitCode.STOPPED, reason, collect=True))

    async def _poll_queue(self) -> None:
        """Once a second: the rate, the patience, the limits of failures and time."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        settings, told = self.settings, False
        while True:
            await asyncio.sleep(1.0)
            self.admission.tick()
            if self._finished:
                if self._awaits_callbacks and not told:
                    log.warning("nothing is left but rows in doubt; waiting a while for callbacks that name their runs")
                    told = True
                self.transitions.changed.set()
            if self.admission.outage_too_long():
                trouble = f": {self.admission.last_error}" if self.admission.last_error else ""
                reason = f"the service has not answered well for {settings.max_outage:g} s{trouble}"
                self.stop(Stop(ExitCode.TRY_AGAIN, reason))
            if settings.max_runtime is not None and loop.time() - started >= settings.max_runtime:
                self.stop(Stop(ExitCode.TRY_AGAIN, f"--max-runtime {settings.max_runtime:g} s is over"))

    # -- rows between the two loops

    def _adopt(self, row: Row) -> None:
        """Take over a row as an earlier command left it."""
        if row.state is State.IN_DOUBT:
            since = (self.transitions.now() - (row.intent_at or 0)) / 1000
            if 0 <= since < self.settings.run_timeout:
                self._in_flight.acquire()
                self._in_flight.hold_in_doubt(
                    row.row, asyncio.get_running_loop().time() + self.settings.run_timeout - since
                )
            return
        if row.state is State.RUNNING:
            self._in_flight.acquire()
        self._poller.track(row, resumed=True)

    def _accepted(self, row: Row, values: Sequence[object] | None, hint: Hint | None) -> None:
        run = self._poller.track(row, values)
        if hint is not None:
            self._tracked.wake(run)

    def _doubted(self, row: Row, hint: Hint | None) -> None:
        if hint is not None:
            self._listener.on_untracked(row, hint)

    def _settled(self, run: TrackedRun) -> None:
        """A row is in doubt no longer: its run is accepted."""
        run.deadline = asyncio.get_running_loop().time() + self.settings.run_timeout
        self._in_flight.resolve_doubt(run.row.row)

    async def _submitted(self, row: Row) -> bytes:
        """The body of the POST that submitted `row`, less its callback_url."""
        values = await self._lookup.values(row.row)
        return self._dialect.submit_body(self.settings.workflow_id, self._mapping.inputs(values))

    def _late(self, work: Work) -> None:
        """A row that timed out is to be tried again, unless one more poll shows that its run has completed."""
        self._poller.track(work.row, work.values, resumed=True, again=True)

    def _ended(self, row: Row, values: Sequence[object] | None) -> None:
        """A run has ended, and its place is free."""
        self._in_flight.release()
        if row.state is State.QUEUED:
            self._backlog.recall(row, values)
