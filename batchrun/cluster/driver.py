"""The driver of a job on several workers: it leases rows and limits, and records what the workers report."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from batchrun.cluster.allowances import deferred, more_submissions, outages
from batchrun.cluster.feed import Feed
from batchrun.cluster.grants import Grants
from batchrun.cluster.loss import Losses
from batchrun.cluster.member import Link, Member, WorkerLostError
from batchrun.cluster.messages import Orders, Report
from batchrun.cluster.observed import ObservedRequests, add_up
from batchrun.cluster.recorder import Recorder
from batchrun.cluster.worker import LEASE
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
from batchrun.ports import Callbacks, Clock, Journal, Lookup, RowSource

log = logging.getLogger("batchrun")

BUSY, QUIET = 0.004, 1.0
"""Seconds for which a worker waits for something to report: while it has much to do, doubled each time that it has
nothing, up to the second figure. The driver itself waits for the first one if changes will be on disk soon."""


@dataclass(frozen=True, slots=True)
class DriverPorts:
    """The world outside, as the driver is given it for one session."""

    source: RowSource
    journal: Journal
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
            ObservedRequests(name, rate, settings.max_outage)
            for name, rate in zip(("submission", "poll"), rates, strict=True)
        )
        self._observed = submits, polls
        self._classes = (submits.name, polls.name)
        self.admission = Admission(submits, polls, settings.max_outage, adaptive=False)
        self.outlook = Outlook(self.transitions, self.admission, settings)
        self._ports = ports
        self._members = [Member(name, link) for name, link in workers.items()]
        self._limits = StopLimits(self)
        self._grants = Grants(LEASE if is_resumed else float("-inf"))
        self._recorder = Recorder(ports.journal, ports.lookup, self.transitions)
        self._feed = Feed(ports.source, self.transitions, settings.in_doubt, self._on_ready)
        self._losses = Losses(self.transitions, settings, self._feed.give_back)
        self._is_opened = False
        self._is_closing = False

    def stop(self, stop: Stop) -> None:
        """Stop before the end; see `StopRequest`."""
        self.stopping.request(stop)

    @property
    def members(self) -> list[Member]:
        """The workers that are at work."""
        return [member for member in self._members if member.is_working]

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
            serving = [group.create_task(self._serve(member, group), name=member.name) for member in self._members]
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
                for member in self._members:
                    member.link.kill()
        await self._recorder.settled()
        tally = self.transitions.tally
        finished = not self._feed.unplaced and not any(tally[state] for state in _OPEN)
        return EngineResult(finished, self._limits.settled(self.stopping.reason))

    def _on_change(self) -> None:
        self._recorder.refuse_failed()
        self._limits.check_failures()
        self._limits.check_spending()
        if not self._is_closing and self._is_done:
            self._is_closing = True
        for member in self._members:
            if member.stop != self.stopping.reason or member.is_closing != self._is_closing:
                member.tell()

    @property
    def _is_done(self) -> bool:
        """Whether every row has ended or is held."""
        return self._feed.is_exhausted and all(
            member.is_idle and not member.batches and not member.untold for member in self.members
        )

    async def _supervise(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._limits.check_time()
            self.counters.workers = encoded([member.shown for member in self.members])
            self.transitions.changed.set()

    def _on_ready(self) -> None:
        for member in self.members:
            if member.room and self._may_submit(member):
                member.tell()
                return

    async def _listen(self, callbacks: Callbacks) -> None:
        while True:
            hint = await callbacks.next()
            owner = next((member for member in self.members if hint.row in member.rows), None)
            if owner is None:
                row, owner = self._ports.lookup.find(hint.row), next(iter(self.members), None)
                if row is None or owner is None or row.state not in {State.IN_DOUBT, State.TIMED_OUT}:
                    continue
                self._adopt(owner, row)
            owner.hints.append(hint)
            owner.is_idle = False
            owner.tell()

    def _adopt(self, member: Member, row: Row) -> None:
        member.adopted.append(row)
        if row.state is not State.TIMED_OUT:  # that has ended: it is only polled once more, and must not be queued
            member.rows[row.row] = row

    # -- one worker

    async def _serve(self, member: Member, group: asyncio.TaskGroup) -> None:
        while member.is_working:
            if member.batches and not member.untold:
                with suppress(TimeoutError):
                    async with asyncio.timeout(BUSY):
                        await member.news.wait()
            member.news.clear()
            try:
                report = await member.exchange(self._orders(member))
            except WorkerLostError as error:
                await self._lose(member, error)
                return
            await self._on_report(member, report, group)

    async def _lose(self, member: Member, error: WorkerLostError) -> None:
        log.warning("worker %s is lost, and its rows go elsewhere: %s", member.name, error)
        member.is_lost = True
        member.link.kill()
        self._grants.leave(member.name)
        while member.batches:
            member.settled.clear()
            await member.settled.wait()
        await self._losses.settle(member)
        if not self.members:
            self.stop(Stop(ExitCode.TRY_AGAIN, f"all workers are lost; the last one: {error}"))
        for other in self.members:
            other.tell()
        self.transitions.changed.set()

    def _may_submit(self, member: Member) -> bool:
        """Whether this worker may submit rows: until the service has accepted one, only the first worker may."""
        return self.stopping.reason is None and (self._is_opened or member is next(iter(self.members), None))

    def _orders(self, member: Member) -> Orders:
        member.ordered += 1
        for row in self._feed.take_unplaced(len(self.members)):
            self._adopt(member, row)
        rows = self._feed.take(member.room) if self._may_submit(member) else ()
        for work in rows:
            member.rows[work.row.row] = work.row
        adopted, member.adopted = member.adopted, []
        if self.stopping.reason is None:
            adopted += self._feed.take_timed_out(len(adopted) + member.tracked)
        if rows or adopted:
            member.is_idle = False
        if member.batches or rows or adopted or member.untold or member.is_busy:
            member.patience = BUSY
        else:
            member.patience = min(QUIET, max(BUSY, 2 * member.patience))
        stop, committed = self.stopping.reason, [batch.committed for batch in member.untold]
        orders = Orders(
            number=member.ordered,
            received=member.reported,
            rows=rows,
            adopted=adopted,
            committed=committed,
            values=member.values,
            hints=member.hints,
            grant=self._grants.grant(member.name),
            allowed=more_submissions(member, self._members, self._submissions_left) if self._may_submit(member) else 0,
            exhausted=self._feed.is_exhausted,
            is_open=not self._is_closing,
            is_opened=self._is_opened,
            outage=outages(self.members, self._classes),
            deferred=deferred(member, self.members, self._classes),
            stop=stop if stop != member.stop else None,
            patience=member.patience,
        )
        member.untold, member.values, member.hints = [], {}, []
        member.stop, member.is_closing = stop, self._is_closing
        return orders

    @property
    def _submissions_left(self) -> int | None:
        most = self.settings.max_submissions
        return None if most is None else most - self.counters.earlier_submissions

    async def _on_report(self, member: Member, report: Report, group: asyncio.TaskGroup) -> None:
        for level, line in report.log:
            log.log(level, "worker %s: %s", member.name, line)
        if report.failure:
            raise BugError(f"worker {member.name}: {report.failure}")
        member.reported, member.is_busy = report.number, bool(report.records)
        member.room, member.tracked, member.in_flight = report.room, report.tracked, report.in_flight
        member.is_open, member.counters, member.figures = report.is_open, report.counters, report.figures
        member.allowed = report.allowed
        if report.limits is not None:
            self._grants.on_report(member.name, report.limits)
            if report.limits.pauses:
                for other in self.members:
                    other.tell()
        self._is_opened |= report.is_open
        add_up(self.counters, self._observed, self._members)
        await self._recorder.record(member, report)
        for row in report.returned:
            member.rows.pop(row.row, None)
            self._feed.give_back(row, is_queued=True)
        if report.wanted:
            group.create_task(self._read(member, report.wanted), name="read")
        if report.stop is not None:
            self.stop(report.stop)
        member.is_idle = report.is_idle and not (member.adopted or member.hints or member.values)
        member.ended = report.ended
        self.transitions.changed.set()

    async def _read(self, member: Member, rows: Iterable[int]) -> None:
        for row in rows:
            try:
                member.values[row] = await self._ports.lookup.values(row)
            except (InputError, StorageError):
                member.values[row] = None
            member.is_idle = False
            member.tell()


_OPEN = (State.QUEUED, State.SUBMITTING, State.RUNNING)
