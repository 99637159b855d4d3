"""One session's work on a job: submit and poll until every row has ended, or until something requests a stop."""

import asyncio
import logging
from collections.abc import Callable, Iterable

from batchrun.dialects.base import Dialect
from batchrun.domain.callback_reliability import CallbackReliability, Reliability
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.domain.events import Adopted, Held, Reused, Settled
from batchrun.domain.reservoir import quantile
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.engine.admission import Admission
from batchrun.engine.answer_check import AnswerCheck
from batchrun.engine.backlog import Backlog
from batchrun.engine.callbacks import CallbackListener, ClaimedRuns
from batchrun.engine.connections import Connections
from batchrun.engine.context import Context, Ports
from batchrun.engine.in_flight import InFlightLimit
from batchrun.engine.outlook import Outlook
from batchrun.engine.poll_queue import PollQueue
from batchrun.engine.poller import Poller
from batchrun.engine.request_class import RequestClass
from batchrun.engine.settings import EngineResult, InDoubt, Settings, Stop
from batchrun.engine.stop_limits import StopLimits
from batchrun.engine.stopping import StopRequest
from batchrun.engine.submitter import Submitter
from batchrun.engine.transitions import Transitions
from batchrun.engine.uploads import Uploads
from batchrun.engine.wait_until import wait_done

log = logging.getLogger("batchrun")

LAST_POLLS = 2.0
"""Seconds that a drain waits for polls in flight; a poll that is cut off is made again by the next command."""

MIN_PATIENCE, UNKNOWN_PATIENCE = 10.0, 60.0
"""Seconds after its POST that the job waits for a callback of a row in doubt when nothing else is left to do: twice as
long as 95 % of the runs take, at least the first figure; the second one where no run has ended yet. Never beyond
`--run-timeout`."""


class Engine:
    """Drives one job through one session. Build it inside a running loop, then await `run` once."""

    def __init__(
        self,
        settings: Settings,
        dialect: Dialect,
        mapping: ColumnMapping,
        ports: Ports,
        *,
        tally: Tally,
        counters: Counters,
        on_stopping: Callable[[Stop], None],
    ) -> None:
        self.transitions = Transitions(ports.journal, tally, ports.clock)
        self._settings = settings
        self._counters = counters
        self._ports = ports
        self._stopping = StopRequest(self.transitions.changed, on_stopping)
        self._in_flight = InFlightLimit(settings.max_in_flight)
        self._admission = Admission(
            RequestClass("submission", ports.submit_limiter, settings.seed, settings.max_outage),
            RequestClass("poll", ports.poll_limiter, settings.seed, settings.max_outage),
            settings.max_outage,
            adaptive=settings.adaptive,
            uploads=None
            if ports.upload_limiter is None
            else RequestClass("upload", ports.upload_limiter, settings.seed, settings.max_outage),
        )
        context = Context(
            settings=settings,
            dialect=dialect,
            mapping=mapping,
            transport=ports.transport,
            callbacks=ports.callbacks,
            lookup=ports.lookup,
            transitions=self.transitions,
            counters=counters,
            answer_check=AnswerCheck(settings, mapping, ports.lookup, counters),
            backlog=Backlog(ports.source, ports.clock, max(1000, settings.max_in_flight), self._take_over),
            admission=self._admission,
            in_flight=self._in_flight,
            connections=Connections(settings.max_connections),
            stopping=self._stopping,
        )
        self.context = context
        """What its parts share."""
        self._reliability = CallbackReliability() if ports.callbacks is not None else None
        self.outlook = Outlook(self.transitions, self._admission, settings, self._reliability)
        poll_queue = PollQueue(settings, self._reliability)
        claims = ClaimedRuns(context, poll_queue)
        self._poller = Poller(context, poll_queue, claims, context.backlog)
        self._limits = StopLimits(context)
        self._uploads = None if ports.files is None else Uploads(context, ports, ports.files)
        self._submitter = Submitter(context, self._poller, self._limits, self._uploads)
        self._listener = CallbackListener(self._submitter, self._poller, poll_queue, claims)

    @property
    def admission(self) -> Admission:
        """What is allowed to be sent, for observers."""
        return self._admission

    def stop(self, stop: Stop) -> None:
        """Stop before the end; see `StopRequest`."""
        self._stopping.request(stop)

    async def run(self, resumed: Iterable[Row] = (), timed_out: Iterable[Row] = ()) -> EngineResult:
        """Work until every row has ended or is held, or until stopped.

        `resumed`: the rows that earlier commands left running or in doubt, in the order of their acceptance.
        `timed_out`: rows that timed out earlier; each is polled once more (those that are submitted again come from
        the source instead). Raises `StorageError` when the checkpoint or the input fails.
        """
        for row in resumed:
            self.adopt(row)
        if self._in_flight.all_in_doubt:
            log.warning(
                "the service may be working on %d rows in doubt, as many as --max-in-flight allows: nothing is "
                "submitted until their runs would have timed out, in up to %d s; to go on now, press Ctrl-C and resume "
                "with --in-doubt resubmit or fail, or with a higher --max-in-flight",
                self._settings.max_in_flight,
                max(0.0, (self._in_flight.last_doubt_ends or 0.0) - asyncio.get_running_loop().time()),
            )
        self._poller.recheck_timed_out(iter(timed_out))
        self._limits.check_at_start()
        async with asyncio.TaskGroup() as group:
            submitting = group.create_task(self._submitter.run(group), name="submit loop")
            tasks = [
                submitting,
                group.create_task(self._poller.run(group), name="poll loop"),
                group.create_task(self._supervise(), name="supervisor"),
            ]
            if self._ports.callbacks is not None:
                listening = self._listener.listen(self._ports.callbacks, self._ports.lookup)
                tasks.append(group.create_task(listening, name="callbacks"))
            finished = False
            try:
                await self._until(lambda: self._complete or self._stopping.reason is not None)
                finished = self._finished
                if not finished:
                    await self._wind_up(submitting)
            finally:
                for task in tasks:
                    task.cancel()
                self._submitter.close()
                self._poller.close()
            if not finished or self._poller.polls:
                await self._drain()
        self._counters.unhelpful_rows = self._poller.unhelpful_rows
        # A row that was taken from the queue, and not sent because the job stops, is queued again.
        finished = (finished or self._finished) and not self.transitions.tally[State.QUEUED]
        return EngineResult(finished, self._limits.settled(self._stopping.reason))

    @property
    def _finished(self) -> bool:
        return self._submitter.exhausted and self._poller.finished

    @property
    def is_open(self) -> bool:
        """Whether the service has accepted a row, and the polls so far speak against no other submission."""
        return self._submitter.refusals.has_accepted and self._poller.allows_submission

    def open(self) -> None:
        """Another process of this job has found that out."""
        self._submitter.refusals.open()
        self._poller.open()
        self.context.backlog.notify()

    def allow_submissions(self, number: int) -> None:
        """Send at most this many POSTs in this session; more are waited for, and do not stop the job."""
        self._limits.allowed = number
        self._admission.submits.changed.set()

    @property
    def has_rows_to_submit(self) -> bool:
        """Whether there is a row to submit."""
        return not self._submitter.exhausted

    @property
    def has_runs_to_poll(self) -> bool:
        """Whether there is a run to poll."""
        return self._poller.tracked > 0

    @property
    def is_idle(self) -> bool:
        """Whether every row that came so far has ended or is held."""
        return self._finished and not self._awaits_callbacks

    @property
    def _complete(self) -> bool:
        return self.is_idle and not self._ports.source.is_open

    @property
    def _awaits_callbacks(self) -> bool:
        """Whether a row in doubt may still have a run under way, so that a callback may yet name it."""
        last, callbacks = self._in_flight.last_doubt_ends, self._reliability
        if last is None or callbacks is None or self._settings.synchronous:
            return False
        if callbacks.level is Reliability.DISTRUSTED:
            return False
        usual = quantile(self.transitions.latencies.run_times.run, 0.95)
        patience = UNKNOWN_PATIENCE if usual is None else max(MIN_PATIENCE, 2 * usual)
        # A run of an earlier session may seem to have taken days: nobody looked, or the clock was set forward.
        return asyncio.get_running_loop().time() < last - max(0.0, self._settings.run_timeout - patience)

    async def _wind_up(self, submitting: "asyncio.Task[None]") -> None:
        """Send no new POST; when collecting, wait for the accepted runs."""
        submitting.cancel()
        if self._uploads is not None:
            self._uploads.stop()
        for task, post in self._submitter.posts.items():
            if post.sent_at is None:
                task.cancel()
        await self._until(lambda: self._collected or not self._collecting)

    @property
    def _collecting(self) -> bool:
        return self._stopping.reason is None or self._stopping.reason.collect

    @property
    def _collected(self) -> bool:
        return not self._submitter.posts and self._poller.finished

    async def _drain(self) -> None:
        """Wait for POSTs in flight, and shortly for polls; a request that is not answered by then is cancelled."""
        posts = set(self._submitter.posts)
        if self._uploads is not None:
            posts |= self._uploads.in_progress
        if posts:
            log.info("waiting for %d open requests", len(posts))
            late = await wait_done(posts, self._settings.drain_timeout)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)
        polls = self._poller.polls
        if polls:
            for task in await wait_done(polls, LAST_POLLS):
                task.cancel()
        await self._submitter.refusals.excuse_all()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.transitions.changed.clear()
            await self.transitions.changed.wait()
            self._limits.check_failures()
            self._limits.check_spending()

    async def _supervise(self) -> None:
        """Once a second: let rates grow, and apply the limits of time."""
        waiting_said = False
        while True:
            await asyncio.sleep(1.0)
            self._admission.tick()
            self._poller.on_change()
            if self._finished:
                if self._awaits_callbacks and not waiting_said:
                    log.warning("only rows in doubt are left; waiting for callbacks that name their runs")
                    waiting_said = True
                self.transitions.changed.set()
            self._limits.check_time()

    async def _take_over(self, row: Row, event: Reused | Adopted | Held) -> None:
        """Apply to a row what an earlier job knows of it, poll the run if that has one, and then `--in-doubt fail`."""
        changed_row = await self.transitions.note(row, event)
        if changed_row.state is State.RUNNING:
            self.adopt(changed_row)
        if changed_row.state is State.IN_DOUBT and self._settings.in_doubt is InDoubt.FAIL:
            await self.transitions.note(changed_row, Settled(State.FAILED, self.transitions.now()))

    def adopt(self, row: Row) -> None:
        """Take over a row as an earlier command, or another process, left it: running, in doubt or timed out."""
        if row.state is State.IN_DOUBT:
            since = (self.transitions.now() - (row.intent_at or 0)) / 1000
            if 0 <= since < self._settings.run_timeout:
                self._in_flight.acquire()
                until = asyncio.get_running_loop().time() + self._settings.run_timeout - since
                self._in_flight.hold_in_doubt(row.row, until)
            return
        if row.state is State.RUNNING:
            self._in_flight.acquire()
        self._poller.track(row, resumed=True)
