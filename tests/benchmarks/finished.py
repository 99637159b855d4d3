"""A job of which so many rows are finished: made through the checkpoint's own door, since running it would take long.

Its input and `job.toml` are those of a real run, which the service refused at its first request.
"""

import atexit
import os
import signal
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.domain.events import RowEvent, RunCompleted, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State

AT = 1_760_000_000_000
PAGE = 5_000
LEFT = 1_000
"""Rows that are still to be sent."""

PATIENCE = 120.0
"""Seconds that a first request is waited for."""


def finished_job(short: bool = False, rows: int = 1_000_000) -> tuple[Path, int]:
    """The run directory of a job, and how many of its rows are completed; made once for all parts."""
    return _finished_job(20_000 if short else rows), 20_000 if short else rows


@cache
def _finished_job(rows: int) -> Path:
    folder = Path(_HERE.enter_context(TemporaryDirectory()))
    return make(folder, rows)


_HERE = ExitStack()
atexit.register(_HERE.close)


def make(folder: Path, rows: int) -> Path:
    """The run directory of a job with so many completed rows, whose outputs have 500 bytes, and some left."""
    table, job = folder / "rows.csv", folder / "job"
    with table.open("w") as file:
        file.write("id,name,text\n")
        file.writelines(f"{row},name {row % 977},some text of row {row} to be sent\n" for row in range(rows + LEFT))
    words = ("run", table, "--workflow-id", "w", "-o", job, "--progress", "none", "--base-url")
    with listening() as (service, url), quiet(*words, url) as run:
        first_request(service, run)
    fill(job / "checkpoint.db", rows)
    return job


def fill(path: Path, rows: int) -> None:
    """Complete so many rows."""
    with Checkpoint(path) as checkpoint:
        checkpoint.begin_session(AT, "filled")
        known = {row.row: row for row in checkpoint.rows(*State)}
        for start in range(0, rows, PAGE):
            entries = list[Entry]()
            for number in range(start, min(start + PAGE, rows)):
                row = known.get(number, Row(number))
                events: list[RowEvent] = [SubmitStarted(AT), ended(number)]
                for event in events[row.state is State.SUBMITTING :]:
                    row = decide(row, event)
                    entries.append(Entry(row, event))
            if any(checkpoint.commit(entries, Counters(), AT, 0.0)):
                raise RuntimeError("the checkpoint refused a row")
        checkpoint.end_session(AT, 75, Counters(submissions=rows), 100.0)


def ended(row: int) -> RunCompleted:
    """The end of a row, in the answer of its POST: half a kilobyte of it."""
    output = (
        f'{{"row": {row}, "label": "{"positive" if row % 3 else "negative"}", "score": {row % 1000 / 1000}, "text": "'
    )
    text = f"an answer that is about row {row}, {row * 7919 % 10007} and {row * 104729 % 1299709}. " * 8
    output += text[: 498 - len(output)] + '"}'
    return RunCompleted("completed", output, AT, AT, AT, f"run-{row:019d}", AT)


# -- the first request


@contextmanager
def listening(port: int = 0) -> Iterator[tuple[socket.socket, str]]:
    """A service that is there and answers nothing; its socket and address."""
    with closing(socket.create_server(("127.0.0.1", port))) as service:
        service.settimeout(PATIENCE)
        yield service, f"http://127.0.0.1:{service.getsockname()[1]}"


def first_request(service: socket.socket, run: "subprocess.Popen[bytes]") -> float:
    """When the first bytes of a request came (seconds of the monotonic clock); the command that sent it is killed."""
    try:
        connection, _ = service.accept()
        with connection:
            connection.recv(1)
            return time.perf_counter()
    finally:
        run.send_signal(signal.SIGKILL)


def resumed(job: Path) -> float:
    """Seconds from the start of `batchrun resume` to the first bytes of its first request; then it is killed.

    It leaves a row in doubt.
    """
    port = urlsplit(tomllib.loads((job / "job.toml").read_text())["base-url"]).port
    with listening(port or 0) as (service, _):
        begun = time.perf_counter()
        with quiet("resume", job, "--progress", "none") as run:
            return first_request(service, run) - begun


# -- commands


@dataclass(frozen=True, slots=True)
class Timed:
    """What a command took."""

    seconds: float
    megabytes: float
    """The peak of its memory."""


def timed(*words: object) -> Timed:
    """A command that must do what it is asked."""
    begun = time.perf_counter()
    process = quiet(*words)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"batchrun {' '.join(map(str, words))} ended with {process.returncode}")
    return Timed(seconds, used.ru_maxrss / (1 << (20 if sys.platform == "darwin" else 10)))


def quiet(*words: object) -> "subprocess.Popen[bytes]":
    """A command of batchrun that nobody listens to."""
    null = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-m", "batchrun", *map(str, words)], env=_ENV, stdout=null, stderr=null)


_ENV = {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
    "COZE_API_TOKEN": "token"
}
"""Installed packages are compiled, and so is what is measured."""
