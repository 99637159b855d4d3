"""Whole jobs over the real transport in virtual time, in which one row in five meets a fault of the network."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from batchrun.app.prepare import PreparedJob, prepare_job
from batchrun.app.run import run_session
from batchrun.app.wiring import connect_to_service
from batchrun.domain.summary import Summary
from batchrun.job import build_job
from batchrun.ports import Clock, Transport
from batchrun.views.progress import NoView
from tests.contract.raw_server import SECRET
from tests.harness.faulty_network.service import RawService, bound_socket, listening, output_of
from tests.support.virtual import VirtualClock, run_virtual

ROWS = 5
OPTIONS: dict[str, Any] = {
    "workflow_id": "w",
    "seed": 1,
    "rps": 50,
    "poll_rps": 500,
    "run_timeout": 120,
    "poll_max": 5,
}
MAX_SESSIONS = 4
LONGEST = 3600.0
"""Seconds of virtual time that a job with a fault may take."""

logging.getLogger("batchrun").addHandler(logging.NullHandler())  # thousands of jobs would warn

Serve = Callable[[RawService, int], AbstractAsyncContextManager[None]]
"""Takes the service and its port."""


@dataclass
class Told:
    """How a job ended: the exit codes of its sessions, and what its files say of each row."""

    exit_codes: list[int]
    seconds: float
    summary: Summary
    rows: dict[int, tuple[str, str]]
    """State, and output or kind of error."""
    messages: dict[int, str]
    twice: list[int] = field(default_factory=list)
    """Rows that are in both files."""


def job(folder: Path, service: RawService, clock: VirtualClock, serve: Serve = listening, **options: Any) -> Told:
    """Run sessions of one job until one ends with 0 or 3. `serve`: the service is there in this context."""
    source = folder / "rows.csv"
    source.write_text("id\n" + "".join(f"{row}\n" for row in range(ROWS)))
    with bound_socket() as reserved:
        port = reserved.getsockname()[1]

        @asynccontextmanager
        async def connect(prepared: PreparedJob, clock: Clock) -> AsyncIterator[Transport]:
            async with serve(service, port), connect_to_service(prepared, clock) as transport:
                yield transport

        address = {"api": service.api, "base_url": f"http://127.0.0.1:{port}"}
        settled = build_job(OPTIONS | {"input": source, "out": folder / "job"} | address | options)
        exit_codes, began = list[int](), clock.now()
        for _ in range(MAX_SESSIONS):
            with prepare_job(settled, SECRET, clock) as prepared:
                summary = run_virtual(run_session(prepared, clock, NoView(), signals=False, connect=connect))
            exit_codes.append(-1 if summary.exit_code is None else summary.exit_code)
            if exit_codes[-1] in {0, 3}:
                break
            clock.jump(10)
    return _told(folder / "job", exit_codes, (clock.now() - began) / 1000, summary)


def _told(folder: Path, exit_codes: list[int], seconds: float, summary: Summary) -> Told:
    outputs = pq.read_table(folder / "outputs.parquet").to_pylist()
    errors = pq.read_table(folder / "errors.parquet").to_pylist()
    rows = {one["row"]: (str(one["state"]), str(one["error_kind"])) for one in errors}
    twice = [one["row"] for one in outputs if one["row"] in rows]
    rows |= {one["row"]: ("completed", str(one["output"])) for one in outputs}
    messages = {one["row"]: str(one["error_message"] or "") for one in errors}
    twice += [row for row, times in _counted(outputs, errors).items() if times > 1]
    return Told(exit_codes, seconds, summary, rows, messages, sorted({*twice}))


def _counted(*tables: list[dict[str, Any]]) -> dict[int, int]:
    found = dict[int, int]()
    for table in tables:
        for one in table:
            found[one["row"]] = found.get(one["row"], 0) + 1
    return found


def has_output_of(row: int, output: str) -> bool:
    """Whether this is the output of the row."""
    try:
        found = msgspec.json.decode(output)
    except msgspec.DecodeError:
        return False
    return bool(found == output_of(row))
