"""The driver of a job on several workers: it leases rows and limits, and records what the workers report."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from batchrun.cluster.allowances import is_alone_in_outage, is_cut_off
from batchrun.cluster.dispatch import BUSY, CLASSES, Dispatch
from batchrun.cluster.feed import Feed
from batchrun.cluster.grants import Grants
from batchrun.cluster.loss import Losses
from batchrun.cluster.messages import Report
from batchrun.cluster.observed import ObservedRequests, add_up
from batchrun.cluster.recorder import BatchJournal, Recorder
from batchrun.cluster.shared_rate import observe
from batchrun.cluster.worker import GATHERED, LEASE, POLLS, SUBMISSIONS
from batchrun.cluster.worker_handle import Link, WorkerHandle, WorkerLostError
from batchrun.domain.counters import Counters
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.domain.workers import encoded
from batchrun.engine.admission import Admission
from batchrun.engine.outlook import Outlook
from batchrun.engine.settings import EngineResult, Settings, Stop
from batchrun.engine.stop_limits import StopLimits
from batchrun.engine.stopping import StopRequest
from batchrun.engine.transitions import Transitions
from batchrun.errors import BugError, ExitCode, InputError, StorageError
from batchrun.ports import Callbacks, Clock, Lookup, RowSource

log = logging.getLogger("batchrun")

COMMIT = 0.03
"""Seconds for which orders wait until a large report is on disk. The worker gathers its next report for longer than a
commit takes, and would otherwise learn of the commit one report later. After a small report, `BUSY` is enough."""


@dataclass(frozen=True, slots=True)
class DriverPorts:
    """The world outside, as the driver is given it for one session."""

    source: RowSource
    journal: BatchJournal
    lookup: Lookup
    clock: Clock
    callbacks: Callbacks | None = None


class Driver:
    """Drives one job through one session, as an `Engine` does. Build it in a running loop, then await `run` once.

    `rates`: `--rps` and `--poll-rps`. `is_resumed`: workers of an earlier driver may still send until their leases end.
    """

    def __init__(
        self,
        settings: Settings,
        ports: DriverPorts,
        workers: Mapping[str, Link],
        rates: tuple[float, float],
        *,
        tally: Tally,
        counters: Counters,
        on_stopping: Callable[[Stop], None],
        is_resumed: bool,
    ) -> None:
        self.settings = settings
        self.counters = counters
        self.transitions = Transitions(ports.journal, tally, ports.clock)
        self.stopping = StopRequest(self.transitions.changed, on_stopping)
        submits, polls = (
            ObservedRequests(name, rate, settings.max_outage) for name, rate in zip(CLASSES, rates, strict=True)
        )
        self._observed = submits, polls
        self.admission = Admission(submits, polls, settings.max_outage, adaptive=settings.adaptive)
        self.outlook = Outlook(self.transitions, self.admission, settings)
        self._ports = ports
        self._workers = [WorkerHandle(name, link) for name, link in workers.items()]
        self._limits = StopLimits(self)
        self._grants = Grants(LEASE if is_resumed else float("-inf"), self._rates)
        self._recorder = Recorder(ports.journal, ports.lookup, self.transitions)
        self._feed = Feed(ports.source, self.transitions, settings.in_doubt, self._on_ready)
        self._losses = Losses(self.transitions, settings, self._feed.give_back)
        self._losing = 0
        """Workers whose rows are being settled."""
        self._dispatch = Dispatch(
            settings, counters, self.stopping, feed=self._feed, grants=self._grants, workers=self._workers
        )

    def _rates(self) -> Mapping[str, float]:
        admission = self.admission
        return {SUBMISSIONS: admission.submits.adaptive_rate.rate, POLLS: admission.polls.adaptive_rate.rate}

    def stop(self, stop: Stop) -> None:
        """Stop before the end; see `StopRequest`."""
        self.stopping.request(stop)

    @property
    def workers(self) -> list[WorkerHandle]:
        """The workers that are at work."""
        return self._dispatch.workers

    async def run(self, resumed: Iterable[Row] = (), timed_out: Iterable[Row] = ()) -> EngineResult:
        """See `Engine.run`."""
        self._feed.start(resumed, timed_out)
        self._limits.check_at_start()
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(self._feed.run(self.stop), name="feed"),
                group.create_task(self._supervise(), name="time"),
            ]
            if self._ports.callbacks is not None:
                beside.append(group.create_task(self._listen(self._ports.callbacks), name="callbacks"))
            serving = [group.create_task(self._serve(worker, group), name=worker.name) for worker in self._workers]
            for task in serving:
                task.add_done_callback(lambda _: self.transitions.changed.set())
            try:
                while any(not task.done() for task in serving):
                    self.transitions.changed.clear()
                    await self.transitions.changed.wait()
                    self._on_change()
            finally:
                for task in beside:
                    task.cancel()
                for worker in self._workers:
                    worker.link.kill()
        await self._recorder.settled()
        self._show_workers()
        tally = self.transitions.tally
        finished = not self._feed.unplaced and not any(tally[state] for state in _OPEN)
        return EngineResult(finished, self._limits.settled(self.stopping.reason))

    def _on_change(self) -> None:
        self._recorder.refuse_failed()
        self._limits.check_failures()
        self._limits.check_spending()
        if not self._dispatch.is_closing and self._is_done:
            self._dispatch.is_closing = True
        for worker in self._workers:
            if (
                worker.stop != (self.stopping.reason or worker.given_up)
                or worker.is_closing != self._dispatch.is_closing
            ):
                worker.tell()

    @property
    def _is_done(self) -> bool:
        """Whether every row has ended or is held."""
        is_exhausted = self._feed.is_exhausted and not self._losing
        return is_exhausted and all(
            worker.is_idle and not worker.batches and not worker.untold and not worker.given_up
            for worker in self.workers
        )

    @property
    def _served(self) -> list[WorkerHandle]:
        """The workers that are not given up."""
        return [worker for worker in self.workers if not worker.given_up]

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._limits.check_time()
            for worker in self.workers:
                if not worker.given_up and is_cut_off(worker, self._served):
                    worker.given_up = Stop(ExitCode.TRY_AGAIN, f"it does not reach the service: {_last_error(worker)}")
                    worker.tell()
            self.admission.tick()
            self._show_workers()
            self.transitions.changed.set()

    def _show_workers(self) -> None:
        self.counters.workers = encoded([worker.shown for worker in self._workers])

    def _on_ready(self) -> None:
        for worker in self.workers:
            if worker.room and self._dispatch.may_submit(worker):
                worker.tell()
                return

    async def _listen(self, callbacks: Callbacks) -> None:
        while True:
            hint = await callbacks.next()
            owner = next((worker for worker in self.workers if worker.has(hint.row)), None)
            if owner is None:
                row, owner = self._ports.lookup.find(hint.row), next(iter(self.workers), None)
                if row is None or owner is None or row.state not in {State.IN_DOUBT, State.TIMED_OUT}:
                    continue
                owner.adopt(row)
            owner.hints.append(hint)
            owner.is_idle = False
            owner.tell()

    # -- one worker

    async def _serve(self, worker: WorkerHandle, group: asyncio.TaskGroup) -> None:
        while worker.is_working:
            if worker.batches and not worker.untold:
                with suppress(TimeoutError):
                    async with asyncio.timeout(COMMIT if worker.is_gathering else BUSY):
                        await worker.news.wait()
            worker.news.clear()
            try:
                report = await worker.exchange(self._dispatch.orders(worker))
            except WorkerLostError as error:
                await self._lose(worker, error)
                return
            await self._on_report(worker, report, group)
        if worker.given_up and self.stopping.reason is None:
            await self._lose(worker, WorkerLostError(worker.given_up.reason))

    async def _lose(self, worker: WorkerHandle, error: WorkerLostError) -> None:
        log.warning("worker %s is lost, and its rows go elsewhere: %s", worker.name, error)
        worker.is_lost = True
        worker.link.kill()
        self._grants.leave(worker.name)
        self._losing += 1  # its rows are not given back yet, so that the job is not done
        while worker.batches:
            worker.settled.clear()
            await worker.settled.wait()
        await self._losses.settle(worker)
        self._losing -= 1
        if not self.workers:
            self.stop(Stop(ExitCode.TRY_AGAIN, f"all workers are lost; the last one: {error}"))
        for other in self.workers:
            other.tell()
        self.transitions.changed.set()

    async def _on_report(self, worker: WorkerHandle, report: Report, group: asyncio.TaskGroup) -> None:
        for level, line in report.log:
            log.log(level, "worker %s: %s", worker.name, line)
        if report.failure:
            raise BugError(f"worker {worker.name}: {report.failure}")
        worker.reported, worker.is_busy = report.number, bool(report.records)
        worker.is_gathering = len(report.records) >= GATHERED
        worker.room, worker.tracked, worker.in_flight = report.room, report.tracked, report.in_flight
        worker.counters, worker.figures = report.counters, report.figures
        if observe(self.admission, report.figures, asyncio.get_running_loop().time()):
            for other in self.workers:
                other.tell()
        worker.allowed = report.allowed
        if report.limits is not None:
            self._grants.on_report(worker.name, report.limits)
            if report.limits.pauses:
                for other in self.workers:
                    other.tell()
        self._dispatch.is_opened |= report.is_open
        add_up(self.counters, self._observed, self._workers)
        await self._recorder.record(worker, report)
        for row in report.returned:
            worker.rows.pop(row.row, None)
            self._feed.give_back(row, is_queued=True)
        if report.wanted:
            group.create_task(self._read(worker, report.wanted), name="read")
        if report.stop is not None:
            if report.stop.exit_code is ExitCode.TRY_AGAIN and is_alone_in_outage(worker, self._served):
                worker.given_up = report.stop
            else:
                self.stop(report.stop)
        worker.is_idle = report.is_idle and not (worker.adopted or worker.hints or worker.values)
        worker.ended = report.ended
        self.transitions.changed.set()

    async def _read(self, worker: WorkerHandle, rows: Iterable[int]) -> None:
        for row in rows:
            try:
                worker.values[row] = await self._ports.lookup.values(row)
            except (InputError, StorageError):
                worker.values[row] = None
            worker.is_idle = False
            worker.tell()


def _last_error(worker: WorkerHandle) -> str:
    return next((one.last_error for one in worker.figures if one.failures and one.last_error), "")


_OPEN = (State.QUEUED, State.SUBMITTING, State.RUNNING)
