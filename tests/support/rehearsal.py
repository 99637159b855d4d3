"""Runs whole jobs in virtual time, with the real checkpoint, tables, results and simulator, but without sockets."""

import asyncio
import os
import weakref
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pyarrow.parquet as pq

from batchrun.adapters.tables import Table
from batchrun.app.prepare import PreparedJob, prepare_job
from batchrun.app.retry import plan_retry
from batchrun.app.run import run_session
from batchrun.domain.summary import Summary
from batchrun.job import Job, build_job
from batchrun.ports import Callbacks, Clock, Permit, Request, Response, Transport, TransportError
from batchrun.simulator.callbacks import PendingCallback
from batchrun.simulator.options import parse_options
from batchrun.simulator.service import Simulator
from batchrun.simulator.store import Store
from batchrun.views.progress import NoView, ProgressView
from tests.support.fake_callbacks import FakeCallbacks
from tests.support.killed_checkpoint import KilledCheckpoint
from tests.support.simulated_transport import SimulatedTransport
from tests.support.virtual import VirtualClock, run_virtual

Answer = Callable[[Request], Response | TransportError | None]
Deliver = Callable[[str, bytes], Sequence[tuple[str, bytes]]]

CALLED_BACK: dict[str, Any] = {
    "callback_url": "http://127.0.0.1/hooks",
    "callback_listen": f"127.0.0.1:{20_000 + os.getpid() % 10_000}",
}
"""Options of a session with callbacks, which are delivered without sockets."""


class Rehearsal:
    """One job and one simulated service over any number of sessions. `faults` are options of the simulator.

    `api`: what the service speaks.
    """

    def __init__(
        self,
        folder: Path,
        rows: Sequence[Mapping[str, str]] | int = 10,
        *faults: str,
        seed: int = 1,
        api: str = "v1",
    ) -> None:
        self.api = api
        self.folder = folder
        self.input = folder / "rows.csv"
        self.write(range(rows) if isinstance(rows, int) else rows)
        self.clock = VirtualClock()
        self.store = Store()
        weakref.finalize(self, self.store.close)  # Python 3.13 warns of a database that is still open then
        self._seed = seed
        self.serve(*faults)
        self.requests: list[tuple[float, Request]] = []
        """Every request sent, with the time of its permit (seconds of the wall clock)."""
        self.answer: Answer = lambda _request: None
        """Called for each request; what it returns replaces the answer of the simulator."""
        self.callbacks: FakeCallbacks | None = None
        """Receives the callbacks during a session with `CALLED_BACK`."""
        self.deliver: Deliver = lambda path, body: [(path, body)]
        """Maps the path and body of a callback to the callbacks that arrive: none, one or several."""
        self.scheduled: list[tuple[float, Callable[[], None]]] = []
        """Functions to call during the next session, each with its delay in seconds from the start."""
        self._timers: list[asyncio.TimerHandle] = []
        self.view: ProgressView = NoView()
        """The progress view of the sessions."""
        self.table: Callable[[Table], Table] = lambda table: table
        """Replaces the input of a session once it is prepared."""
        self.on_prepared: Callable[[PreparedJob], object] = lambda _prepared: None
        """Called with each session before it starts."""
        self.options: dict[str, Any] = {
            "input": self.input,
            "workflow_id": "echo",
            "api": api,
            "out": folder / "job",
            "seed": seed,
            "rps": 50,
            "poll_rps": 500,
        }

    def serve(self, *faults: str) -> None:
        """Restart the service with these faults. It keeps its runs."""
        self.faults = faults
        self._serve(self.clock)

    def keep_service_clock(self) -> None:
        """From now on, the service does not follow when the clock of the job is set."""
        self._serve(VirtualClock(self.clock.now()))

    def _serve(self, clock: Clock) -> None:
        options = parse_options(["any_workflow=true", *self.faults])
        self.simulator = Simulator(clock, self.store, options, self._seed, self.api)

    def write(self, rows: Sequence[Mapping[str, str]] | range) -> None:
        """Write the input. A range gives rows with the column `id` only."""
        cells_by_row = [{"id": str(row)} if isinstance(row, int) else row for row in rows]
        names = list(cells_by_row[0]) if cells_by_row else ["id"]
        lines = [",".join(names), *(",".join(cells[name] for name in names) for cells in cells_by_row)]
        self.input.write_text("\n".join(lines) + "\n")

    def run(
        self, kill_after: int | None = None, *, fresh: bool = False, accept_loss: bool = False, **options: Any
    ) -> Summary:
        """Run one session. `kill_after`: kill it after this number of row changes. Others as in `prepare_job`."""
        return self._session(build_job(self.options | options), kill_after, fresh=fresh, accept_loss=accept_loss)

    def retry(
        self,
        rows: Collection[int] | None = None,
        in_doubt: str | None = None,
        kill_after: int | None = None,
        *,
        kinds: Collection[str] | None = None,
        **options: Any,
    ) -> Summary:
        """Run one session of `batchrun retry`."""
        job, retry = plan_retry(build_job(self.options | options), rows, in_doubt, kinds)
        return self._session(job, kill_after, keep_options=False, retry=retry)

    def _session(self, job: Job, kill_after: int | None, **how: Any) -> Summary:
        with prepare_job(job, "token", self.clock, **how) as prepared:
            self.on_prepared(prepared)
            checkpoint = prepared.checkpoint
            if kill_after is not None:
                checkpoint = KilledCheckpoint(checkpoint, kill_after)
            session = replace(prepared, checkpoint=checkpoint, table=self.table(prepared.table))
            connect = None if job.simulate else self._connect  # None: as the command does
            listen = None if job.simulate else self._listen
            return run_virtual(
                run_session(session, self.clock, self.view, signals=False, connect=connect, listen=listen)
            )

    @asynccontextmanager
    async def _connect(self, _prepared: PreparedJob, clock: Clock) -> AsyncIterator[Transport]:
        for callback in self.simulator.pending_callbacks():
            self.schedule_callback(callback)
        while self.scheduled:
            self._timers.append(asyncio.get_running_loop().call_later(*self.scheduled.pop()))
        try:
            yield _RecordingTransport(self, clock)
        finally:
            for timer in self._timers:
                timer.cancel()
            self._timers.clear()

    @asynccontextmanager
    async def _listen(self, prepared: PreparedJob) -> AsyncIterator[Callbacks | None]:
        if prepared.callback_key is None or prepared.options.callback_url is None:
            yield None
            return
        self.callbacks = FakeCallbacks(prepared.options.callback_url, prepared.callback_key)
        try:
            yield self.callbacks
        finally:
            self.callbacks = None

    def schedule_callback(self, callback: PendingCallback) -> None:
        """Schedule the delivery of a callback."""
        self._timers.append(asyncio.get_running_loop().call_later(callback.delay, self._deliver_callback, callback))

    def _deliver_callback(self, callback: PendingCallback) -> None:
        for path, body in self.deliver(urlsplit(callback.url).path, self.simulator.callback_body(callback)):
            self.receive_callback(path, body)

    def receive_callback(self, path: str, body: bytes = b"") -> None:
        """Deliver a callback with this path and body now, if the session receives callbacks."""
        if self.callbacks is not None:
            self.callbacks.receive(path, body)

    # -- results

    def outputs(self) -> dict[int, dict[str, Any]]:
        """`outputs.parquet` by row."""
        return {row["row"]: row for row in pq.read_table(self.folder / "job" / "outputs.parquet").to_pylist()}

    def errors(self) -> dict[int, dict[str, Any]]:
        """`errors.parquet` by row."""
        return {row["row"]: row for row in pq.read_table(self.folder / "job" / "errors.parquet").to_pylist()}

    def row_results(self) -> dict[int, tuple[str, str | None]]:
        """The state of every row in the files, with its output or its kind of error."""
        row_results = {number: ("completed", row["output"]) for number, row in self.outputs().items()}
        for number, row in self.errors().items():
            assert number not in row_results, f"row {number} is in both files"
            row_results[number] = (row["state"], row["error_kind"])
        return row_results

    def posts(self) -> list[tuple[float, bytes]]:
        """Time and body of every POST sent."""
        return [(at, request.body) for at, request in self.requests if request.method == "POST" and request.body]

    def uploads(self) -> list[float]:
        """Time of every upload sent."""
        return [at for at, request in self.requests if request.content is not None]

    def row_of(self, body: bytes) -> int:
        """The row of a POST's body, if the input `id` is the row number."""
        return int(self.inputs_of(body)["id"])

    def inputs_of(self, body: bytes) -> dict[str, Any]:
        """The inputs in a POST's body."""
        inputs: dict[str, Any] = msgspec.json.decode(body)["inputs"]
        return inputs

    def failed_run(self, request: Request) -> Response:
        """An answer to this poll that says that the run failed."""
        return self.polled(request, status="failed", error={"code": "E", "message": "no"})

    def polled(self, request: Request, **members: object) -> Response:
        """An answer to this poll that names the run."""
        return Response(200, msgspec.json.encode({"run_id": request.path.rpartition("/")[2], **members}))

    def polls(self) -> list[tuple[float, str]]:
        """Time and path of every poll sent."""
        return [(at, request.path) for at, request in self.requests if request.method == "GET"]


class _RecordingTransport:
    """Records the requests, and lets the test answer instead of the simulator."""

    def __init__(self, rehearsal: Rehearsal, clock: Clock) -> None:
        self._rehearsal, self._clock = rehearsal, clock

    async def send(self, request: Request, permit: Permit) -> Response:
        async def permit_and_record() -> None:
            await permit()
            self._rehearsal.requests.append((self._clock.now() / 1000, request))

        if (answer := self._rehearsal.answer(request)) is not None:
            await permit_and_record()
            if isinstance(answer, TransportError):
                raise answer
            return answer
        # A test may have replaced the simulator since the session began.
        service = SimulatedTransport(self._rehearsal.simulator, self._clock, self._rehearsal.schedule_callback)
        return await service.send(request, permit_and_record)
