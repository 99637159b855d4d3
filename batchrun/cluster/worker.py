"""A worker: an engine whose rows, limits and record are those of the driver."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from batchrun.adapters.rate_limiter import Pacer
from batchrun.adapters.shared_limits.leased_limits import LeasedLimit, LeasedLimits
from batchrun.cluster.leased_places import LeasedPlaces
from batchrun.cluster.messages import ClassFigures, Orders, Report, unpack
from batchrun.cluster.shared_rate import ReportedRate
from batchrun.cluster.worker_ports import FencedTransport, ForwardedCallbacks, LeasedRows, SentJournal
from batchrun.dialects.base import Dialect
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.engine.context import Ports
from batchrun.engine.engine import Engine
from batchrun.engine.request_class import RequestClass
from batchrun.engine.settings import EngineResult, Settings, Stop
from batchrun.ports import Clock, Transport

MIN_ROOM, MAX_ROOM = 8, 512
"""The least and the most rows that wait on a worker: what its rate allows in a second lies between."""

GATHERED, GATHER_PER_CHANGE, MAX_GATHER = 32, 0.0001, 0.025
"""After a report with 32 changes or more, wait 0.1 ms for each of them before the next report, at most 25 ms. A call
costs the driver nearly a millisecond, whatever is in it, and under load the reports are large."""

SUBMISSIONS, POLLS = "submissions", "polls"
"""Names of limits."""

LEASE = 3.0
"""Seconds for which a worker may send after it has made a report that the driver has answered."""


@dataclass(frozen=True, slots=True)
class WorkerJob:
    """What a worker has to know of the job. `limits`: `--rps`, `--poll-rps` and `--total-rps`."""

    settings: Settings
    dialect: Dialect
    mapping: ColumnMapping
    limits: tuple[float, float, float | None]
    counters: Counters
    """What earlier sessions have shown about the answers of the service."""


class Worker:
    """Runs an engine. Build it in a running loop, run `run` in a task, and call `exchange` once at a time.

    `boottime`: seconds of a clock that runs while the machine sleeps.
    """

    def __init__(
        self,
        job: WorkerJob,
        transport: Transport,
        clock: Clock,
        boottime: Callable[[], float],
        callbacks: ForwardedCallbacks | None = None,
    ) -> None:
        self._boottime = boottime
        self._time = asyncio.get_running_loop().time
        self._news = asyncio.Event()
        self._callbacks = callbacks
        self._tally = Tally(0)
        self._source = LeasedRows(self._tally, self._news.set)
        self._journal = SentJournal(self._news.set, self._source.on_change)
        submit_rate, poll_rate, total_rate = job.limits
        total = None if total_rate is None else Pacer(total_rate, is_leased=True)
        submits, polls = (Pacer(rate, total, is_leased=True) for rate in (submit_rate, poll_rate))
        self._is_limited = job.settings.max_submissions is not None
        self._counters = replace(job.counters)
        # What counts over all workers is the driver's.
        settings = replace(
            job.settings, max_failures=None, max_failures_percent=None, max_submissions=None, max_tokens=None,
            max_runtime=None,
        )  # fmt: skip
        self._engine = Engine(
            settings,
            job.dialect,
            job.mapping,
            Ports(
                transport=FencedTransport(transport, self._is_leased),
                source=self._source,
                journal=self._journal,
                lookup=self._source,
                clock=clock,
                submit_limiter=submits,
                poll_limiter=polls,
                callbacks=callbacks,
            ),
            tally=self._tally,
            counters=self._counters,
            on_stopping=self._on_stopping,
        )
        for requests in self._engine.admission.classes:
            requests.adaptive_rate = ReportedRate(requests.limiter.rate)
        self._allowed = 0
        if self._is_limited:
            self._engine.allow_submissions(0)
        context = self._engine.context
        limits: dict[str, LeasedLimit] = {
            SUBMISSIONS: submits,
            POLLS: polls,
            "in flight": LeasedPlaces(context.in_flight, settings.max_in_flight),
            "connections": LeasedPlaces(context.connections, settings.max_connections),
        }
        if total is not None:
            limits["total"] = total
        self._limits = LeasedLimits(limits, self._news.set)
        self._submit_limiter = submits
        self._stop: Stop | None = None
        self._stop_ordered = False
        self._ended: EngineResult | None = None
        self._failure = ""
        self._reported_at: dict[int, float] = {}
        self._leased_until = float("-inf")
        self._number = self._received = self._reported = 0
        self._last_records = 0
        """Changes in the last report."""
        self._was_idle = True

    async def run(self) -> None:
        """Run the engine until it ends. An error is reported to the driver."""
        try:
            self._ended = await self._engine.run()
        except Exception as error:  # noqa: BLE001 - whatever it is, the driver has to know
            self._failure = f"{type(error).__name__}: {error}"
            if isinstance(error, ExceptionGroup):
                self._failure = "; ".join(f"{type(one).__name__}: {one}" for one in error.exceptions)
        self._news.set()

    def abandon(self) -> None:
        """The driver is gone for good: what is under way is dropped, and nothing more is recorded."""
        self._journal.abandon()

    def _on_stopping(self, stop: Stop) -> None:
        self._stop = stop
        self._news.set()

    def _is_leased(self) -> bool:
        return self._boottime() < self._leased_until

    def nudge(self) -> None:
        """There are orders: answer the present ones at once."""
        self._news.set()

    async def exchange(self, orders: Orders) -> Report:
        """Follow the orders, wait for something to report, and report it."""
        self._follow(orders)
        if not self._has_news:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(orders.patience):
                    await self._news.wait()
        if self._last_records >= GATHERED:
            await asyncio.sleep(min(MAX_GATHER, GATHER_PER_CHANGE * self._last_records))
        return self._report()

    @property
    def _has_news(self) -> bool:
        return (
            self._journal.has_news
            or self._source.has_news
            or self._was_idle != self._is_idle
            or (self._ended is not None and self._reported < self._number)
            or bool(self._failure)
        )

    @property
    def _is_idle(self) -> bool:
        return self._engine.is_idle and self._journal.is_settled

    # -- orders

    def _follow(self, orders: Orders) -> None:
        assert orders.number == self._received + 1, "orders were lost"
        self._received, engine, source = orders.number, self._engine, self._source
        for number in [number for number in self._reported_at if number <= orders.received]:
            self._leased_until = max(self._leased_until, self._reported_at.pop(number) + LEASE)
        if (grant := orders.grant) is not None:
            self._limits.apply(grant)
        for requests in engine.admission.classes:
            is_out = requests.name in orders.probed or (requests.name in orders.outage and requests.breaker.failures)
            if is_out and not requests.breaker.is_open:
                requests.on_outage()
            requests.defer(deferred=requests.name in orders.deferred)
        for found in orders.committed:
            self._journal.committed(found)
        for number, values in orders.values.items():
            source.on_values(number, values)
        if self._is_limited and orders.allowed:
            self._allowed += orders.allowed
            engine.allow_submissions(self._allowed)
        if orders.is_opened and not engine.is_open:
            engine.open()
        source.add([unpack(row) for row in orders.rows])
        source.exhausted_at_driver, source.is_open = orders.exhausted, orders.is_open
        for row in orders.adopted:
            self._tally.total += 1
            self._tally.states[row.state] += 1
            source.rows[row.row] = row
            engine.adopt(row)
        for hint in orders.hints:
            if self._callbacks is not None:
                self._callbacks.forward(hint)
        if orders.stop is not None:
            self._stop_ordered = True
            engine.stop(orders.stop)
        engine.context.backlog.notify()
        engine.transitions.changed.set()

    # -- reports

    def _report(self) -> Report:
        self._number += 1
        self._reported_at[self._number] = self._boottime()
        self._limits.sample()
        records = self._journal.take(self._number)
        self._last_records = len(records)
        self._was_idle = is_idle = self._is_idle
        if self._ended is not None:
            self._reported = self._number
        if self._is_limited and is_idle and self._allowed > self._counters.submissions:
            self._allowed = self._counters.submissions  # others may need the rest
            self._engine.allow_submissions(self._allowed)
        admission, tally = self._engine.admission, self._tally
        return Report(
            number=self._number,
            received=self._received,
            records=records,
            returned=self._source.take_returned(),
            wanted=self._source.take_wanted(),
            counters=replace(self._counters),
            limits=self._limits.report(),
            allowed=self._allowed,
            room=max(0, self._wanted_rows - self._source.queued),
            tracked=tally.states[State.RUNNING],
            in_flight=tally.states[State.RUNNING] + tally.states[State.SUBMITTING],
            is_open=self._engine.is_open,
            is_idle=is_idle,
            figures=[
                figures_of(admission.submits, self._time(), is_probed=self._engine.has_rows_to_submit),
                figures_of(admission.polls, self._time(), is_probed=self._engine.has_runs_to_poll),
            ],
            stop=None if self._stop_ordered else self._stop,
            ended=self._ended if self._journal.is_settled and not records else None,
            failure=self._failure,
        )

    @property
    def _wanted_rows(self) -> int:
        """The rows that are to wait here: as many as are submitted in a second, within bounds."""
        rate = self._submit_limiter.rate * self._submit_limiter.part
        return round(min(MAX_ROOM, max(MIN_ROOM, rate)))


def figures_of(requests: RequestClass, now: float, *, is_probed: bool) -> ClassFigures:
    """The figures of a class of requests, whose times are relative: the clocks of two processes differ.

    `is_probed`: whether there is something to send, so that the service is probed while the circuit is open.
    """
    since = requests.unavailable_since
    assert isinstance(requests.adaptive_rate, ReportedRate)
    sent_ages, refused_ages = requests.adaptive_rate.take_ages(now)
    return ClassFigures(
        sent=requests.sent,
        unsent=requests.unsent,
        sent_ages=sent_ages,
        refused_ages=refused_ages,
        outages=requests.outages,
        is_saturated=requests.limiter.saturated,
        paused_for=max(0.0, requests.pause.until - now),
        is_probing=requests.breaker.is_open and is_probed,
        failures=requests.breaker.failures,
        first_failed=0.0 if requests.breaker.since is None else now - requests.breaker.since,
        silent_for=now - requests.last_success,
        failing_for=0.0 if since is None else max(now - since, 1e-9),
        last_error=requests.last_error,
    )
