"""A worker in a process of its own: it is told everything by calls, and dies with the driver."""

import asyncio
import copyreg
import logging
import os
import platform
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from batchrun.adapters.clock import WallClock, boottime
from batchrun.adapters.credentials.token import Token
from batchrun.adapters.event_loop import run_in_loop
from batchrun.adapters.http.transport import HttpTransport, open_transport
from batchrun.adapters.process import prepare_process
from batchrun.cluster.messages import encoded, orders_of
from batchrun.cluster.worker import Worker, WorkerJob
from batchrun.cluster.worker_ports import ForwardedCallbacks
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.ports import Clock
from batchrun.version import VERSION


def _read_only(mapping: dict[object, object]) -> MappingProxyType[object, object]:
    return MappingProxyType(mapping)


copyreg.pickle(MappingProxyType, lambda mapping: (_read_only, (dict(mapping),)))  # dialects have some


@dataclass(frozen=True, slots=True)
class Start:
    """What a worker needs to begin. It has the token, so it goes by a call and nowhere else."""

    job: WorkerJob
    url: str
    token: Token
    certificates: bytes | None
    """What is in `--ca-file`: the machine of the worker need not have that file."""
    callbacks: CallbackAddresses | None
    log_level: int


@dataclass(frozen=True, slots=True)
class Hello:
    """Where a worker is, and what it runs."""

    host: str
    pid: int
    python: str
    version: str


def hello() -> Hello:
    """That of this process."""
    return Hello(platform.node(), os.getpid(), ".".join(platform.python_version_tuple()[:2]), VERSION)


class _LogLines(logging.Handler):
    """Collects lines of the log for the driver."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[int, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Collect a line."""
        self.lines.append((record.levelno, record.getMessage()))


class WorkerProcess:
    """The calls of a worker; see `Worker`. It is made into an actor with a thread for each of them.

    The worker runs in a loop of ours. Ray's own loop, which it takes if a method is a coroutine, reads the clock once
    per iteration only, in whole milliseconds, and by this clock the limits are kept.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._worker: Worker | None = None
        self._has_begun = threading.Event()
        self._failure = ""
        self._log = _LogLines()

    def hello(self) -> Hello:
        """Who this is."""
        return hello()

    def run(self, start: Start) -> None:
        """Work until the process is ended."""
        prepare_process()
        log = logging.getLogger("batchrun")
        log.setLevel(start.log_level)
        log.addHandler(self._log)
        log.propagate = False
        try:
            run_in_loop(_work(start, self._begun))
        except Exception as error:
            self._failure = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._has_begun.set()

    def _begun(self, worker: Worker) -> None:
        self._loop, self._worker = asyncio.get_running_loop(), worker
        self._has_begun.set()

    def exchange(self, orders: bytes) -> bytes:
        """See `Worker.exchange`; the messages are encoded."""
        self._has_begun.wait()
        if self._worker is None or self._loop is None:
            raise RuntimeError(f"the worker cannot begin: {self._failure}")
        report = asyncio.run_coroutine_threadsafe(_exchange(self._worker, orders, self._log), self._loop)
        return report.result()

    def nudge(self) -> None:
        """See `Worker.nudge`."""
        if self._worker is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._worker.nudge)


CALLS = 4
"""How many of them may be under way at the same time."""


async def _work(start: Start, on_begun: Callable[[Worker], None]) -> None:
    clock = WallClock()
    async with transport_of(start, clock) as transport:
        callbacks = None if start.callbacks is None else ForwardedCallbacks(start.callbacks)
        worker = Worker(start.job, transport, clock, boottime, callbacks)
        on_begun(worker)
        await worker.run()
        await asyncio.Event().wait()  # the driver ends the process once it has heard everything


@asynccontextmanager
async def transport_of(start: Start, clock: Clock) -> AsyncIterator[HttpTransport]:
    """The way to the service."""
    refuses_token = start.job.dialect.refuses_token
    async with AsyncExitStack() as stack:
        with _as_file(start.certificates) as ca_file:
            opening = open_transport(start.url, start.token, clock, ca_file, refuses_token=refuses_token)
            transport = await stack.enter_async_context(opening)
        yield transport


@contextmanager
def _as_file(content: bytes | None) -> Iterator[str | None]:
    """The path of a file with this content, for as long as the block lasts."""
    if content is None:
        yield None
        return
    with tempfile.NamedTemporaryFile(prefix="batchrun-", suffix=".pem") as file:
        file.write(content)
        file.flush()
        yield file.name


async def _exchange(worker: Worker, orders: bytes, log: _LogLines) -> bytes:
    report = await worker.exchange(orders_of(orders))
    report.log, log.lines = log.lines, []
    return encoded(report)
