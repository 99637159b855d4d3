"""Workers as actors of Ray: on this machine, or on a cluster."""

import asyncio
import atexit
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, redirect_stdout, suppress
from functools import cache
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any

from batchrun.adapters.machine import memory_bytes
from batchrun.cluster.messages import Orders, Report, encoded, report_of
from batchrun.cluster.worker_handle import WorkerLostError
from batchrun.cluster.worker_process import CALLS, Hello, Start, WorkerProcess, hello
from batchrun.errors import BugError, InputError, WorkersError

log = logging.getLogger("batchrun")

CONNECT_SECONDS = 10.0
"""Seconds within which the cluster must let us connect."""

WORKER_BYTES = 90 << 20
"""Memory that each worker takes for itself, measured with 1,000 requests at a time."""

START_SECONDS = 60.0
"""Seconds within which a worker must have started."""


class RayLink:
    """Implements `Link` to an actor."""

    def __init__(self, ray: ModuleType, actor: Any, found: Hello) -> None:
        self._ray = ray
        self._actor = actor
        self.host, self.pid = found.host, found.pid

    async def exchange(self, orders: Orders) -> Report:
        """See `Link`."""
        errors = self._ray.exceptions
        try:
            report: bytes = await self._actor.exchange.remote(encoded(orders))
        except errors.RayTaskError as error:
            raise BugError(f"a worker failed: {error.cause!r}") from None
        except errors.RayError as error:
            ended = isinstance(error, errors.ActorDiedError)
            what = "has ended, as if killed" if ended else f"cannot be reached ({type(error).__name__})"
            raise WorkerLostError(f"process {self.pid} on {self.host} {what}") from None
        return report_of(report)

    def nudge(self) -> None:
        """See `Link`."""
        self._actor.nudge.remote()

    def kill(self) -> None:
        """See `Link`."""
        with suppress(self._ray.exceptions.RayError, ValueError):
            self._ray.kill(self._actor, no_restart=True)


@asynccontextmanager
async def workers_on_ray(number: int, address: str | None, start: Start) -> AsyncIterator[Mapping[str, RayLink]]:
    """Start workers. They and, if `address` is None, all of Ray end with the context.

    Raises `InputError` if Ray is missing, or if another version of Python or batchrun is there, and `WorkersError` if
    Ray cannot be started or reached, or no worker starts.
    """
    with _connected(number, address) as ray:
        actors = [_actor(ray, is_private=address is None) for _ in range(number)]
        try:
            found = await _greeted(ray, actors)
            links = {}
            for position, (actor, greeting) in enumerate(found):
                _refuse_other_versions(greeting)
                actor.run.remote(start)
                links[f"w{position}"] = RayLink(ray, actor, greeting)
            yield links
        finally:
            for actor in actors:
                with suppress(ray.exceptions.RayError, ValueError):
                    ray.kill(actor, no_restart=True)


def refuse_more_than_fit(number: int) -> None:
    """Raise `InputError` if this machine has not the memory for so many workers, whose start would take all of it."""
    fitting = memory_bytes() // WORKER_BYTES
    if number > fitting:
        raise InputError(
            f"--workers {number:,}: this machine has memory for {fitting:,} at most. Use no more than there are "
            f"processors ({os.cpu_count()})"
        )


def imported_ray(address: str | None) -> Any:
    """Ray, prepared for a cluster, or for one of our own if `address` is None. Raises `InputError` if it is missing."""
    # Before Ray is imported: it reads these when it is.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # it would call home
    if address is None:
        os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # so it listens on 127.0.0.1 only
        os.environ.setdefault("RAY_worker_niceness", "0")  # Ray adds 15, and anyone else comes first
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(_own_folder() / "token"))
    try:
        import ray  # noqa: PLC0415 - an extra, and slow
    except ImportError:
        raise InputError("--workers and --ray need Ray: pip install 'batchrun[ray]'") from None
    return ray


@contextmanager
def _connected(number: int, address: str | None) -> "Iterator[Any]":
    ray = imported_ray(address)
    if address is not None and address != "auto":
        _refuse_unreachable(address)
    with _signals_kept():
        try:
            if address is None:
                ray.init(
                    address="local",  # whatever other Ray is on the machine, or RAY_ADDRESS says
                    num_cpus=number, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR,
                    object_store_memory=OBJECT_STORE, _temp_dir=str(_own_folder()),
                )  # fmt: skip
            else:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except Exception as error:  # noqa: BLE001 - Ray raises bare ones
            said = next(iter(str(error).splitlines()), type(error).__name__)
            if address is None:
                raise WorkersError(f"Ray has not started: {said}") from None
            raise WorkersError(f"--ray {address}: cannot be reached: {said}. {_WITHOUT_CLUSTER}") from None
    try:
        with redirect_stdout(_WithoutRay(sys.stdout)):
            yield ray
    finally:
        with redirect_stdout(StringIO()):  # it prints what its threads have held back as repetitions
            ray.shutdown()


@cache
def _own_folder() -> Path:
    """A folder for a Ray of our own, removed at the end of the process, with a token that nobody else can read.

    Ray's own token file is readable for all. The path is short, because those of sockets are limited.
    """
    folder = Path(tempfile.mkdtemp(prefix="batchrun-ray-", dir=os.environ.get("RAY_TMPDIR") or "/tmp"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(secrets.token_hex(32))
    return folder


def _refuse_unreachable(address: str) -> None:
    """Raise `WorkersError` if nobody listens there: Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
    except OSError as error:
        reason = error.strerror or error
        raise WorkersError(f"--ray {address}: cannot be reached: {reason}. {_WITHOUT_CLUSTER}") from None


_WITHOUT_CLUSTER = "To go on without a cluster, add --ray none"


class _WithoutRay:
    """Standard output, without what Ray's own thread prints there: only the summary belongs on it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write text that is ours."""
        return len(text) if threading.current_thread().name.startswith("ray_") else self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


OBJECT_STORE = 100 << 20
"""Bytes of memory for messages that are larger than 100 kB, of a Ray of our own."""


@contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _actor(ray: Any, *, is_private: bool) -> Any:
    # A second start of an actor, or of a call, would send rows again.
    options: dict[str, Any] = {"num_cpus": 1, "max_restarts": 0, "max_task_retries": 0, "max_concurrency": CALLS}
    if not is_private:
        options["scheduling_strategy"] = "SPREAD"
    return ray.remote(WorkerProcess).options(**options).remote()


async def _greeted(ray: Any, actors: list[Any]) -> list[tuple[Any, Hello]]:
    """The actors that have started, with what they say of themselves."""
    greetings = [_greeting(ray, actor) for actor in actors]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(greeting) for greeting in greetings]
        await asyncio.wait(tasks, timeout=START_SECONDS)
        for task in tasks:
            task.cancel()
    found = [(actor, task.result()) for actor, task in zip(actors, tasks, strict=True) if not task.cancelled()]
    started = [(actor, greeting) for actor, greeting in found if isinstance(greeting, Hello)]
    failed = next((str(greeting) for _, greeting in found if not isinstance(greeting, Hello)), "")
    if not started:
        why = failed or f"none has started within {START_SECONDS:g} s. Has the cluster a free CPU for each?"
        raise WorkersError(f"no worker: {why}")
    if len(started) < len(actors):
        log.warning("%d of %d workers: the others have not started. %s", len(started), len(actors), failed)
    return started


async def _greeting(ray: Any, actor: Any) -> Hello | str:
    try:
        greeting: Hello = await actor.hello.remote()
    except ray.exceptions.RayError as error:
        return str(error).splitlines()[0]
    return greeting


def _refuse_other_versions(found: Hello) -> None:
    own = hello()
    for name, here, there in (("Python", own.python, found.python), ("batchrun", own.version, found.version)):
        if here != there:
            raise InputError(f"--ray: {name} is {here} here and {there} on {found.host}; it must be the same")
