"""A simulator behind one address that keeps a journal of what it received. One job after another uses it.

It is in another process than the commands, so its journal and its runs survive when they are killed.
"""

import asyncio
import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from batchrun.adapters.clock import WallClock
from batchrun.simulator.options import parse_options
from batchrun.simulator.replies import Reply
from batchrun.simulator.server import serve
from batchrun.simulator.service import Simulator
from batchrun.simulator.simulated_run import SimulatedRun
from batchrun.simulator.store import Store

TIMEOUT = 30.0
"""Seconds for the server to start, and to change the simulator."""


@dataclass
class Journal:
    """What the service knows about one job. Inputs are named by `name_of`."""

    posts: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    """The number of POSTs received with the same inputs."""
    runs: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The runs that were made for the same inputs, each of which a real service would have charged for."""
    received: int = 0
    """The number of POSTs."""
    session: int = 0
    """The number of the client's process; set it before the process starts."""
    last_session: dict[str, int] = field(default_factory=dict)
    """From which session the last POST with the same inputs was."""
    polled: set[str] = field(default_factory=set)
    """The runs that were asked for."""


def name_of(inputs: Mapping[str, Any]) -> str:
    """A name for inputs: their values, by the names of the inputs."""
    return " ".join(str(inputs[name]) for name in sorted(inputs))


class _NotedStore(Store):
    """Notes each run in the journal."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def add(self, run: SimulatedRun) -> None:
        super().add(run)
        self._journal.runs[name_of(json.loads(run.inputs))].append(run.run_id)


class SimulatedService:
    """What is served. A simulator answers; it can be exchanged for the next job."""

    def __init__(self) -> None:
        self.url = ""
        self.loop = asyncio.new_event_loop()
        self.journal = Journal()
        """That of the present job."""
        self._store: Store | None = None
        self._simulator: Simulator | None = None

    def begin(self, *options: str, seed: int = 1, api: str = "v1") -> None:
        """Forget all runs, and serve the next job with these options of the simulator."""
        begun = threading.Event()

        def begin() -> None:
            self.exchange(options, seed, api)
            begun.set()

        self.loop.call_soon_threadsafe(begin)
        assert begun.wait(TIMEOUT)

    def exchange(self, options: Sequence[str] = (), seed: int = 1, api: str = "v1") -> None:
        """`begin` in the thread of the server, to which a store belongs."""
        if self._store is not None:
            self._store.close()
        self.journal = Journal()
        self._store = _NotedStore(self.journal)
        self._simulator = Simulator(WallClock(), self._store, parse_options(options), seed, api)

    def handle(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes,
        *, arrived: float | None = None,
    ) -> Reply:  # fmt: skip
        """Answer a request, and note it."""
        assert self._simulator is not None
        if method == "GET":
            self.journal.polled.add(path.rpartition("/")[2])
            return self._simulator.handle(method, path, query, headers, body, arrived=arrived)
        name = name_of(json.loads(body)["inputs"])
        self.journal.posts[name] += 1
        self.journal.received += 1
        self.journal.last_session[name] = self.journal.session
        return self._simulator.handle(method, path, query, headers, body, arrived=arrived)

    def __getattr__(self, name: str) -> Any:
        """The other methods of the simulator."""
        return getattr(self._simulator, name)


@contextmanager
def simulated_service() -> Iterator[SimulatedService]:
    """Serve in a thread until the block ends."""
    service, started, ended = SimulatedService(), threading.Event(), asyncio.Event()

    async def until_ended() -> None:
        service.exchange()
        async with serve(cast("Simulator", service)) as url:
            service.url = url
            started.set()
            await ended.wait()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: service.loop) as runner:
            runner.run(until_ended())

    thread = threading.Thread(target=run, name="simulated service")
    thread.start()
    try:
        assert started.wait(TIMEOUT)
        yield service
    finally:
        service.loop.call_soon_threadsafe(ended.set)
        thread.join()
