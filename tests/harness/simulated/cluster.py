"""Several workers in one loop: the messages between them and the driver take time, and workers die."""

import asyncio
import random
from collections.abc import Callable
from functools import partial

from batchrun.app.wiring import settings_of
from batchrun.cluster.driver import Driver, DriverPorts
from batchrun.cluster.messages import Orders, Report, encoded, orders_of, report_of
from batchrun.cluster.worker import Worker, WorkerJob
from batchrun.cluster.worker_handle import WorkerLostError
from batchrun.cluster.worker_ports import ForwardedCallbacks
from batchrun.dialects import DIALECTS
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.engine.engine import Engine
from batchrun.ports import Transport
from tests.harness.simulated.checkpoint import MemoryJournal, MemorySource
from tests.harness.simulated.job import KEY, SimulatedJob
from tests.harness.simulated.plan import Plan


class ClusteredJob(SimulatedJob):
    """A job on several workers, some of which die or are cut off."""

    reaction = 0.5

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._fates = random.Random(plan.seed + 3)
        self.workers = self._fates.choice((1, 2, 2, 3, 4))
        self._delay = self._fates.choice((0.0, 0.005, 0.1))
        self.links: list[LoopLink] = []
        """Of the present session."""

    def _engine(self, group: asyncio.TaskGroup, journal: MemoryJournal, transport: Transport) -> Engine | Driver:
        before = self.checkpoint.counters
        counters = Counters(known_echoes=before.known_echoes, unhelpful_rows=before.unhelpful_rows)
        self.checkpoint.counters, source = counters, MemorySource(self.checkpoint)
        options, chance = self.options, self._fates
        settings = settings_of(options, self.plan.seed)
        job = WorkerJob(
            settings, DIALECTS["v1"], ColumnMapping({"id": "id"}), (options.rps, options.poll_rps, options.total_limit),
            Counters(known_echoes=before.known_echoes, unhelpful_rows=before.unhelpful_rows),
        )  # fmt: skip

        def start(number: int) -> Worker:
            callbacks = None
            if self._callbacks is not None:
                callbacks = ForwardedCallbacks(CallbackAddresses("http://127.0.0.1/hooks", bytes.fromhex(KEY)))
            way = self._way(number, transport)
            return Worker(job, way, self.clock, asyncio.get_running_loop().time, callbacks)

        def fate() -> dict[str, float]:
            kind = chance.choice(("", "", "", "dies", "cut"))
            self.loses_workers |= kind != ""
            self.cuts_workers |= kind == "cut"
            return {kind: chance.expovariate(1 / 8)} if kind else {}

        self.links = [
            LoopLink(group, partial(start, number), chance, self._delay, **fate()) for number in range(self.workers)
        ]
        return Driver(
            settings,
            DriverPorts(source, journal, source, self.clock, self._callbacks),
            {f"w{number}": link for number, link in enumerate(self.links)},
            (options.rps, options.poll_rps),
            tally=self.checkpoint.tally(),
            counters=counters,
            on_stopping=lambda _stop: None,
            is_resumed=bool(self.sessions),
        )

    def _way(self, _number: int, transport: Transport) -> Transport:
        """The way of this worker to the service."""
        return transport

    def _end_session(self) -> None:
        for link in self.links:
            link.end()


class LoopLink:
    """Implements `Link` to a worker in the same loop, whose messages are pickled and take up to `delay` seconds.

    `fate`: after how many seconds it dies (`dies`), or hears nothing any more while it goes on (`cut`).
    """

    host, pid = "here", 1

    def __init__(
        self,
        group: asyncio.TaskGroup,
        start: Callable[[], Worker],
        chance: random.Random,
        delay: float,
        *,
        dies: float | None = None,
        cut: float | None = None,
    ) -> None:
        self._chance = chance
        self._delay = delay
        loop = asyncio.get_running_loop()
        self._dies_at = float("inf") if dies is None else loop.time() + dies
        self._cut_at = float("inf") if cut is None else loop.time() + cut
        self._time = loop.time
        self._worker = start()
        self._working = group.create_task(self._worker.run())
        self._is_killed = False
        if dies is not None:
            self._dying = group.create_task(self._die(dies))

    async def _die(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._worker.abandon()
        self._working.cancel()

    async def exchange(self, orders: Orders) -> Report:
        """See `Link`."""
        await self._travel()
        report = await self._worker.exchange(orders_of(encoded(orders)))
        await self._travel()
        return report_of(encoded(report))

    async def _travel(self) -> None:
        await asyncio.sleep(self._chance.uniform(0.0, self._delay))
        if self._time() >= self._cut_at:
            await asyncio.sleep(3600)
        if self._time() >= self._dies_at or self._is_killed:
            raise WorkerLostError("the worker process has ended")

    def nudge(self) -> None:
        """See `Link`."""
        if self._time() < self._cut_at and not self._is_killed:
            asyncio.get_running_loop().call_later(self._chance.uniform(0.0, self._delay), self._worker.nudge)

    def kill(self) -> None:
        """See `Link`. A worker that is cut off does not hear of it, and goes on."""
        if self._is_killed:
            return
        self._is_killed = True
        if self._time() < self._cut_at:
            self.end()

    def end(self) -> None:
        """The job has ended, and so do all its processes."""
        self._worker.abandon()
        self._working.cancel()
        if self._dies_at < float("inf"):
            self._dying.cancel()
