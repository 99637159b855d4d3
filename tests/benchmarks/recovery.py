"""How a job finds the rate that is left when the service's quota is cut to a half, and the old one when it is back.

Whole jobs in virtual time, a seed a run: the engine, the pacer, the checkpoint are the real ones; the service counts
any half-open second, and refuses with 429 and no Retry-After. The way there and the way back take 15 ms each, and
2 ms more on the average, exponentially distributed.
"""

import asyncio
import math
import tempfile
from bisect import bisect_left
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from batchrun.app.prepare import PreparedJob, prepare_job
from batchrun.app.run import run_session
from batchrun.domain.randomness import draw
from batchrun.job import build_job
from batchrun.ports import Clock, Permit, Request, Response, Transport
from batchrun.simulator.options import parse_options
from batchrun.simulator.service import Simulator
from batchrun.simulator.store import Store
from batchrun.views.progress import NoView
from tests.benchmarks.service import Quota
from tests.benchmarks.table import Line
from tests.support.simulated_transport import SimulatedTransport
from tests.support.virtual import VirtualClock, run_virtual

RATE, LEFT = 50, 25
CUT, BACK, END = 30.0, 150.0, 240.0
CUT_SHORT, BACK_SHORT, END_SHORT = 5.0, 25.0, 30.0
"""Seconds after the first request."""
SPAN, ENOUGH = 10.0, 0.95
"""A rate is reached where so much of it is used over so many seconds."""


@dataclass
class Story:
    """What the service saw, in seconds after its first request."""

    taken: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def reached(self, rate: float, since: float) -> float:
        """How long after `since` it was until `rate` was used."""
        for at in self.taken[bisect_left(self.taken, since) :]:
            if within(self.taken, at, at + SPAN) >= ENOUGH * rate * SPAN:
                return at - since
        return float("inf")


def within(times: Sequence[float], since: float, until: float) -> int:
    """How many of these times, which are in order, are in a half-open span."""
    return bisect_left(times, until) - bisect_left(times, since)


def measure(runs: int, short: bool) -> list[Line]:
    """The table's lines."""
    cut, back = (CUT_SHORT, BACK_SHORT) if short else (CUT, BACK)
    stories = [story(seed, short=short) for seed in range(runs)]
    recovered = [one.reached(LEFT, cut) for one in stories]
    after = [within(one.refused, cut + took, cut + took + 60) for one, took in zip(stories, recovered, strict=True)]
    how = f"{RATE}/s to {LEFT}/s; virtual time, a seed a run"
    lines = [
        Line("quota cut to a half: time to 95 % of the new one", recovered, "s", "<=", 60, 20, how),
        Line("429s in the minute after that", after, "", "<=", 2, 1, how),
    ]
    if not short:  # it is looked for when a minute has passed
        again = [one.reached(RATE, back) for one in stories]
        lines.append(Line("quota back: time to 95 % of it", again, "s", note=f"after {back - cut:g} s"))
    return lines


def story(seed: int, rate_control: str = "adaptive", *, short: bool = False) -> Story:
    """One job, and what the service saw of it."""
    told = Story()
    cut, back, end = (CUT_SHORT, BACK_SHORT, END_SHORT) if short else (CUT, BACK, END)
    quota = Quota([(0, RATE), (cut, LEFT), (back, RATE)])
    rows = int(RATE * cut + LEFT * (back - cut) + RATE * (end - back))
    with tempfile.TemporaryDirectory() as folder, Store() as store:
        path = Path(folder) / "rows.csv"
        path.write_text("id\n" + "".join(f"{row}\n" for row in range(rows)))
        job = build_job(
            {
                "input": path,
                "workflow_id": "echo",
                "out": Path(folder) / "job",
                "seed": seed,
                "mode": "sync",
                "rps": RATE,
                "rate_control": rate_control,
            }
        )
        clock = VirtualClock()
        simulator = Simulator(clock, store, parse_options(["any_workflow=true", "duration=0"]), seed)

        @asynccontextmanager
        async def connect(_job: PreparedJob, clock: Clock) -> AsyncIterator[Transport]:
            yield _Far(SimulatedTransport(simulator, clock, lambda _call: None), quota, told, seed)

        with prepare_job(job, "token", clock) as prepared:
            run_virtual(run_session(prepared, clock, NoView(), signals=False, connect=connect))
    return told


class _Far:
    """A service with a quota, some way off."""

    def __init__(self, transport: Transport, quota: Quota, story: Story, seed: int) -> None:
        self._transport, self._quota, self._story, self._seed = transport, quota, story, seed
        self._first: float | None = None
        self._requests = 0

    async def send(self, request: Request, permit: Permit) -> Response:
        """Through the quota, to the simulator."""
        loop = asyncio.get_running_loop()
        self._requests += 1
        there, back = (0.015 - 0.002 * math.log(1 - draw(self._seed, self._requests, way)) for way in ("there", "back"))
        await permit()
        await asyncio.sleep(there)
        now = loop.time()
        self._first = now if self._first is None else self._first
        if self._quota.take(now):
            self._story.taken.append(now - self._first)
            response = await self._transport.send(request, _at_once)
        else:
            self._story.refused.append(now - self._first)
            response = Response(429, b'{"error":{"code":"RATE_LIMITED","message":"slow down"}}')
        await asyncio.sleep(back)
        return response


async def _at_once() -> None:
    pass
