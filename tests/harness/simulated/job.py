"""Runs the job of a plan: session after session, in one event loop with virtual time, until it has ended."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from urllib.parse import urlsplit

import msgspec

from batchrun.app.wiring import rate_limiters_of, settings_of
from batchrun.cluster.driver import Driver
from batchrun.dialects import DIALECTS
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from batchrun.engine.context import Ports
from batchrun.engine.engine import Engine
from batchrun.engine.settings import EngineResult, Stop
from batchrun.errors import ExitCode, StorageError
from batchrun.job import Job, build_job
from batchrun.ports import Transport
from tests.harness.simulated.checkpoint import MemoryCheckpoint, MemoryJournal, MemorySource
from tests.harness.simulated.plan import Plan
from tests.harness.simulated.service import Reply, Run, Service
from tests.harness.simulated.transport import CountedTransport, Gate, in_memory
from tests.support.fake_callbacks import FakeCallbacks
from tests.support.virtual import VirtualClock

MAX_SESSIONS = 40
"""Sessions after which a job that has not ended never will: the last faults that come once are long over."""

SIGNAL = Stop(ExitCode.of_signal(15), "interrupted by SIGTERM")
KEY = "00" * 32


Connect = Callable[[Gate], AbstractAsyncContextManager[Transport]]


@dataclass(slots=True)
class Ending:
    """How a session ended. `result`: None if it was killed."""

    result: EngineResult | None
    found_in_doubt: int
    """Rows that came to be in doubt by the kill before it."""
    most_open: int
    """The most requests that were open at one time."""
    began: float
    ended: float


class SimulatedJob:
    """A job, its checkpoint and its service."""

    reaction = 0.0
    """Seconds after which a pause that the service asks for holds everywhere."""
    loses_workers = cuts_workers = False
    """Whether a worker may die; whether one may go on without being heard, with its requests."""

    def __init__(self, plan: Plan, connect: Connect = in_memory) -> None:
        self.plan = plan
        self._connect = connect
        self.options: Job = build_job({"input": "rows.csv", "workflow_id": "w", "api": "v1", **plan.options})
        self.checkpoint = MemoryCheckpoint(plan.rows)
        self.service = Service(plan, self._on_run)
        self.sessions: list[Ending] = []
        self.violations: list[str] = []
        self._chance = random.Random(plan.seed + 2)
        self.clock = VirtualClock()
        self._callbacks: FakeCallbacks | None = None
        self.is_killed = False
        self._timers: list[asyncio.TimerHandle] = []

    def now(self) -> float:
        """Seconds of virtual time since the start of the job, whatever the wall clock says."""
        return asyncio.get_running_loop().time() - self._began

    async def run(self) -> None:
        """Run all sessions."""
        self._began = asyncio.get_running_loop().time()
        try:
            while len(self.sessions) < MAX_SESSIONS:
                number = len(self.sessions)
                if number < len(self.plan.jumps):
                    self.clock.jump(self.plan.jumps[number])
                ending = await self._session(number)
                self.sessions.append(ending)
                if ending.result is not None and ending.result.finished:
                    return
                await asyncio.sleep(self._chance.choice((0.0, 1.0, 30.0)))
            self.violations.append("promise 12: the job has not ended")
        finally:
            for timer in self._timers:
                timer.cancel()

    async def _session(self, number: int) -> Ending:
        plan, now = self.plan, self.clock.now()
        in_doubt = self.checkpoint.recover(self.options.in_doubt, now)
        journal = MemoryJournal(self.checkpoint, self._chance)
        self._callbacks = FakeCallbacks("http://127.0.0.1/hooks", KEY) if plan.callbacks else None
        began = self.now()
        self.is_killed = False
        resumed = sorted(
            self.checkpoint.found(State.RUNNING, State.IN_DOUBT), key=lambda row: (row.accepted_at or 0, row.row)
        )
        result = None
        async with self._connect(self) as transport, asyncio.TaskGroup() as group:
            counted = CountedTransport(transport)
            engine = self._engine(group, journal, counted)
            if number < len(plan.drains):
                self._timers.append(asyncio.get_running_loop().call_later(plan.drains[number], engine.stop, SIGNAL))
            committing = group.create_task(journal.run())
            working = group.create_task(self._worked(engine.run(resumed, self.checkpoint.found(State.TIMED_OUT))))
            try:
                async with asyncio.timeout(plan.kills[number] if number < len(plan.kills) else None):
                    result = await asyncio.shield(working)
                journal.flush()
            except TimeoutError:
                self.is_killed = True
                journal.kill()
                working.cancel()
                await asyncio.wait({working})
            committing.cancel()
            self._end_session()
        self._callbacks = None
        return Ending(result, in_doubt, counted.most_open, began, self.now())

    def _end_session(self) -> None:
        """All processes of the session have ended."""

    async def _worked(self, working: Awaitable[EngineResult]) -> EngineResult | None:
        """What the engine returns; None if it was killed."""
        try:
            return await working
        except (StorageError, BaseExceptionGroup):
            if self.is_killed:
                return None
            raise

    def _engine(self, group: asyncio.TaskGroup, journal: MemoryJournal, transport: Transport) -> Engine | Driver:  # noqa: ARG002 - of a cluster
        before = self.checkpoint.counters
        counters = Counters(known_echoes=before.known_echoes, unhelpful_rows=before.unhelpful_rows)
        self.checkpoint.counters, source = counters, MemorySource(self.checkpoint)
        limiters = rate_limiters_of(self.options, is_resumed=bool(self.sessions))
        return Engine(
            settings_of(self.options, self.plan.seed),
            DIALECTS["v1"],
            ColumnMapping({"id": "id"}),
            Ports(
                transport=transport,
                source=source,
                journal=journal,
                lookup=source,
                clock=self.clock,
                submit_limiter=limiters.submits,
                poll_limiter=limiters.polls,
                callbacks=self._callbacks,
            ),
            tally=self.checkpoint.tally(),
            counters=counters,
            on_stopping=lambda _stop: None,
        )

    # -- what the service sees

    def refuses_connection(self, method: str) -> bool:
        """Whether the service lets nobody connect now."""
        return self.service.refuses_connection(method, self.now())

    def arrived(self, method: str, path: str, body: bytes) -> Reply:
        """A request arrives. Promise 4 must hold at this moment."""
        if method == "POST":
            number = int(msgspec.json.decode(body)["inputs"]["id"])
            row = self.checkpoint.rows.get(number)
            if row is None or (row.state is not State.SUBMITTING and not self.is_killed):
                found = None if row is None else row.state
                self.violations.append(f"promise 4: row {number} was sent, and is recorded as {found}")
        elif (run_id := path.rpartition("/")[2]) not in self.checkpoint.runs and not self.plan.callbacks:
            self.violations.append(f"promise 4: {run_id} was polled, and is not recorded")
        return self.service.handle(method, path, body, self.now())

    def _on_run(self, run: Run, now: float) -> None:
        """Call back, perhaps too early, late, twice, never, or with a forgery."""
        if run.callback is None:
            return
        chances, path = self.plan.callbacks, urlsplit(run.callback).path
        late = self._chance.expovariate(1 / 20) if self._chance.random() < chances["late"] else 0.1
        times = [run.ends_at - now + late] if run.ends_at < float("inf") else []
        if self._chance.random() < chances["lost"]:
            times = []
        times += times if self._chance.random() < chances["double"] else []
        times += [0.0] if self._chance.random() < chances["early"] else []
        for delay in times:
            self._call_back(delay, path, run.run_id)
        if self._chance.random() < chances["forged"]:
            self._call_back(self._chance.uniform(0, 5), path, f"forged-{run.row}")
            self._call_back(self._chance.uniform(0, 5), path[:-1] + "x", run.run_id)

    def _call_back(self, delay: float, path: str, run_id: str) -> None:
        def deliver() -> None:
            if self._callbacks is not None:
                self._callbacks.receive(path, b'{"run_id":"%s"}' % run_id.encode())

        self._timers.append(asyncio.get_running_loop().call_later(delay, deliver))
