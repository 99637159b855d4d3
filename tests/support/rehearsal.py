"""Whole jobs in virtual time: the real checkpoint, tables and results, the real simulator, no sockets, no waiting."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pyarrow.parquet as pq

from batchrun.adapters.checkpoint.writer import Checkpoint, Entry
from batchrun.adapters.tables import Table
from batchrun.app.prepare import Prepared, prepared
from batchrun.app.retry import retrying
from batchrun.app.run import work
from batchrun.dialects import DIALECTS
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.domain.counters import Counters
from batchrun.domain.summary import Summary
from batchrun.errors import StorageError
from batchrun.job import Job, build_job
from batchrun.ports import Callbacks, Clock, Hint, Permit, Request, Response, Transport
from batchrun.simulator.callbacks import PendingCallback
from batchrun.simulator.options import parse_options
from batchrun.simulator.service import Simulator
from batchrun.simulator.store import Store
from batchrun.views.progress import NoView, ProgressView
from tests.support.simulated_transport import SimulatedTransport
from tests.support.virtual import VirtualClock, run_virtual

Answer = Callable[[Request], Response | None]
Deliver = Callable[[str, bytes], Sequence[tuple[str, bytes]]]

CALLED_BACK: dict[str, Any] = {
    "callback_url": "http://127.0.0.1/hooks",
    "callback_listen": f"127.0.0.1:{20_000 + os.getpid() % 10_000}",
}
"""Options of a session with callbacks, which come in without sockets."""


class Rehearsal:
    """One job and one service, over as many sessions as a test wants. `faults` are options of the simulator."""

    def __init__(self, folder: Path, rows: Sequence[Mapping[str, str]] | int = 10, *faults: str, seed: int = 1) -> None:
        self.folder = folder
        self.input = folder / "rows.csv"
        self.write(range(rows) if isinstance(rows, int) else rows)
        self.clock = VirtualClock()
        self.store = Store()
        self._seed = seed
        self.serve(*faults)
        self.requests: list[tuple[float, Request]] = []
        """Every request that left, with the time at which its permit was given (seconds of the wall clock)."""
        self.answer: Answer = lambda _request: None
        """Answers in place of the simulator where it returns something."""
        self.callbacks: Delivered | None = None
        """Where callbacks come in, while a session with `CALLED_BACK` is under way."""
        self.deliver: Deliver = lambda path, body: [(path, body)]
        """What comes of a callback with this path and body on its way: the callbacks that arrive."""
        self.plans: list[tuple[float, Callable[[], None]]] = []
        """What happens so many seconds after the beginning of the next session."""
        self._timers: list[asyncio.TimerHandle] = []
        self.view: ProgressView = NoView()
        """Looks on."""
        self.table: Callable[[Table], Table] = lambda table: table
        """What a session has in place of its input, once it is prepared."""
        self.options: dict[str, Any] = {
            "input": self.input,
            "workflow_id": "echo",
            "out": folder / "job",
            "seed": seed,
            "rps": 50,
            "poll_rps": 500,
        }

    def serve(self, *faults: str) -> None:
        """Let the service be like this from now on; it remembers its runs."""
        self.simulator = Simulator(self.clock, self.store, parse_options(["any_workflow=true", *faults]), self._seed)

    def write(self, rows: Sequence[Mapping[str, str]] | range) -> None:
        """Write the input: a column `id`, and whatever else the rows have."""
        records = [{"id": str(row)} if isinstance(row, int) else row for row in rows]
        names = list(records[0]) if records else ["id"]
        lines = [",".join(names), *(",".join(record[name] for name in names) for record in records)]
        self.input.write_text("\n".join(lines) + "\n")

    def run(self, kill_after: int | None = None, *, fresh: bool = False, **options: Any) -> Summary:
        """One session; `kill_after`: it dies when so many changes of rows are recorded."""
        return self._session(build_job(self.options | options), kill_after, fresh=fresh)

    def retry(
        self,
        rows: Collection[int] | None = None,
        in_doubt: str | None = None,
        kill_after: int | None = None,
        **options: Any,
    ) -> Summary:
        """One session of `batchrun retry`."""
        job, retry = retrying(build_job(self.options | options), rows, in_doubt)
        return self._session(job, kill_after, keep_options=False, retry=retry)

    def _session(self, job: Job, kill_after: int | None, **how: Any) -> Summary:
        with prepared(job, "token", self.clock, **how) as ready:
            mortal = ready.checkpoint if kill_after is None else _Mortal(ready.checkpoint, kill_after)
            session = replace(ready, checkpoint=mortal, table=self.table(ready.table))
            connect = None if job.simulate else self._connect  # or as the command does it
            listen = None if job.simulate else self._listen
            return run_virtual(work(session, self.clock, self.view, signals=False, connect=connect, listen=listen))

    @asynccontextmanager
    async def _connect(self, _job: Prepared, clock: Clock) -> AsyncIterator[Transport]:
        for call in self.simulator.pending_callbacks():
            self.call_back(call)
        while self.plans:
            self._timers.append(asyncio.get_running_loop().call_later(*self.plans.pop()))
        try:
            yield _Recording(self, clock)
        finally:
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()

    @asynccontextmanager
    async def _listen(self, job: Prepared) -> AsyncIterator[Callbacks | None]:
        if job.callback_key is None or job.job.callback_url is None:
            yield None
            return
        self.callbacks = Delivered(job.job.callback_url, job.callback_key)
        try:
            yield self.callbacks
        finally:
            self.callbacks = None

    def call_back(self, call: PendingCallback) -> None:
        """Let the callback come in when it is due."""
        self._timers.append(asyncio.get_running_loop().call_later(call.delay, self._called_back, call))

    def _called_back(self, call: PendingCallback) -> None:
        for path, body in self.deliver(urlsplit(call.url).path, self.simulator.callback_body(call)):
            self.call(path, body)

    def call(self, path: str, body: bytes = b"") -> None:
        """Let a callback with this path and body come in now, if anybody listens."""
        if self.callbacks is not None:
            self.callbacks.come_in(path, body)

    # -- what came of it

    def outputs(self) -> dict[int, dict[str, Any]]:
        """`outputs.parquet` by row."""
        return {row["row"]: row for row in pq.read_table(self.folder / "job" / "outputs.parquet").to_pylist()}

    def errors(self) -> dict[int, dict[str, Any]]:
        """`errors.parquet` by row."""
        return {row["row"]: row for row in pq.read_table(self.folder / "job" / "errors.parquet").to_pylist()}

    def fates(self) -> dict[int, tuple[str, str | None]]:
        """The state and the output, or the kind of error, of every row in the files."""
        fates = {number: ("completed", row["output"]) for number, row in self.outputs().items()}
        for number, row in self.errors().items():
            assert number not in fates, f"row {number} is in both files"
            fates[number] = (row["state"], row["error_kind"])
        return fates

    def posts(self) -> list[tuple[float, bytes]]:
        """Time and body of every POST that left."""
        return [(at, request.body or b"") for at, request in self.requests if request.method == "POST"]

    def row_of(self, body: bytes) -> int:
        """The row of a POST's body, where the input's `id` is its number."""
        return int(self.inputs_of(body)["id"])

    def inputs_of(self, body: bytes) -> dict[str, Any]:
        """The inputs in a POST's body."""
        inputs: dict[str, Any] = msgspec.json.decode(body)["inputs"]
        return inputs

    def failed_run(self) -> Response:
        """An answer to a poll: the run has failed."""
        return Response(200, b'{"run_id":"x","status":"failed","error":{"code":"E","message":"no"}}')

    def polls(self) -> list[tuple[float, str]]:
        """Time and path of every poll that left."""
        return [(at, request.path) for at, request in self.requests if request.method == "GET"]


class Delivered:
    """`ports.Callbacks` without sockets."""

    def __init__(self, base_url: str, key: str) -> None:
        self.addresses = CallbackAddresses(base_url, bytes.fromhex(key))
        self.refused = 0
        self._hints = asyncio.Queue[Hint]()

    def address(self, row: int, attempt: int) -> str:
        return self.addresses.of(row, attempt)

    def come_in(self, path: str, body: bytes) -> None:
        attempt = self.addresses.proven(path)
        if attempt is None:
            self.refused += 1
        else:
            self._hints.put_nowait(Hint(*attempt, DIALECTS["v1"].callback_run_id(body)))

    async def next(self) -> Hint:
        return await self._hints.get()


class _Recording:
    """Notes what leaves, and lets the test answer in the service's place."""

    def __init__(self, rehearsal: Rehearsal, clock: Clock) -> None:
        self._rehearsal, self._clock = rehearsal, clock

    async def send(self, request: Request, permit: Permit) -> Response:
        async def noted() -> None:
            await permit()
            self._rehearsal.requests.append((self._clock.now() / 1000, request))

        if (answer := self._rehearsal.answer(request)) is not None:
            await noted()
            return answer
        # The service may have become another one since the session began.
        service = SimulatedTransport(self._rehearsal.simulator, self._clock, self._rehearsal.call_back)
        return await service.send(request, noted)


class _Mortal(Checkpoint):
    """A checkpoint whose process dies after so many changes: what was committed stays, nothing more is written."""

    def __init__(self, living: Checkpoint, changes: int) -> None:
        self.__dict__.update(living.__dict__)
        self._left = changes

    def commit(self, entries: Sequence[Entry], counters: Counters, at: int, elapsed_s: float) -> list[Exception | None]:
        survived = list(entries)[: self._left]
        self._left -= len(survived)
        results = super().commit(survived, counters, at, elapsed_s)
        if self._left == 0:
            raise StorageError("killed")
        return results
