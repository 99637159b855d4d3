"""Points of a command at which it is killed or stopped: after each call that changes a file, a database or a socket.

A point is named by what was called, the line of batchrun that called it, and how often before. The functions here are
for the argument `before` of `tests.support.command.batchrun`. They use the profiler of the interpreter, so the product
needs no fault points of its own.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.util import Finalize
from pathlib import Path
from types import FrameType
from typing import Any

import batchrun
from batchrun.adapters.checkpoint.marks import EVENTS

ROOT = str(Path(batchrun.__file__).parent) + os.sep

CHANGING = {
    "posix": {
        "open", "write", "pwrite", "ftruncate", "truncate", "fsync", "mkdir", "rmdir", "rename", "replace", "unlink",
        "link", "symlink", "utime", "chmod", "fchmod", "posix_fallocate", "close",
    },
    "fcntl": {"flock"},
    "_sqlite3": {"connect"},
    "mmap": {"mmap", "close"},
    "Connection": {"execute", "executemany", "executescript", "backup", "close"},
    "BufferedRandom": {"write", "truncate", "flush", "close"},
    "BufferedWriter": {"write", "flush", "close"},
    "TextIOWrapper": {"write"},
}  # fmt: skip
"""Functions written in C, by their module, or methods, by the class of their object."""

NAMES = frozenset().union(*CHANGING.values())

RETURNS = frozenset({
    "Marks.record", "Marks.sent", "Marks.not_accepted", "Marks.committed", "ProgressFile.update",
    "StreamWriter._write", "StreamWriter._send_headers_with_payload", "ResponseHandler.data_received",
})  # fmt: skip
"""Functions written in Python: stores into shared memory, and what goes through a socket."""


ANSWERED = "answered: row "
"""The start of a line that `kill_at` writes to standard error."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a command."""

    site: str
    """What is called, and where: the file of batchrun and the line, or the file alone."""
    occurrence: int
    """1: the first time."""
    seconds: float | None = None
    """None: when the call has returned. Otherwise so long after the call began, which may be in the midst of it."""

    def names(self, site: str) -> bool:
        """Whether this is a call at the site."""
        return self.site in {site, site.partition(":")[0]}

    def __str__(self) -> str:
        when = "after" if self.seconds is None else f"{self.seconds * 1000:.2f} ms into"
        return f"{when} call {self.occurrence} of {self.site}"


def record_sites(path: Path) -> None:
    """Let this process write the sites of its calls, in their order, to the file `path` when it ends."""
    sites = list[str]()
    _watch(sites.append, returned=True)

    def write() -> None:
        sys.setprofile(None)
        path.write_text(json.dumps(sites))

    Finalize(None, write, exitpriority=1)


def kill_at(point: Point) -> None:
    """Let this process be killed at a point."""

    left = point.occurrence

    def on_call(site: str) -> None:
        nonlocal left
        if point.names(site):
            left -= 1
            if left == 0 and point.seconds is None:
                _kill()
            elif left == 0:
                threading.Thread(target=_kill, args=(point.seconds,)).start()

    _watch(on_call, returned=point.seconds is None, on_answer=_tell)


def rows_answered(stderr: str) -> set[int]:
    """The rows whose answer a command had read and noted before `kill_at` killed it, from its standard error."""
    return {int(line.removeprefix(ANSWERED)) for line in stderr.splitlines() if line.startswith(ANSWERED)}


def stop_at(point: Point, reached: Path) -> None:
    """Let this process be stopped after a call, as by Ctrl-Z, and make the file `reached` just before."""
    left = point.occurrence

    def on_call(site: str) -> None:
        nonlocal left
        if point.names(site):
            left -= 1
            if left == 0:
                sys.setprofile(None)
                reached.touch()
                os.kill(os.getpid(), signal.SIGSTOP)

    _watch(on_call, returned=True)


def _kill(delay: float = 0.0) -> None:
    if delay:
        time.sleep(delay)  # noqa: TID251 - the real time of this process
    os.kill(os.getpid(), signal.SIGKILL)


def _tell(row: int) -> None:
    os.write(2, f"{ANSWERED}{row}\n".encode())


def _watch(
    on_call: Callable[[str], None], *, returned: bool, on_answer: Callable[[int], None] = lambda _row: None
) -> None:
    """Call `on_call` with the site of each call, when the call has returned or when it begins.

    `on_answer`: called with each row, once it is noted in the shared memory what the service has answered.
    """
    of_c, of_python = ("c_return", "return") if returned else ("c_call", "call")

    def on_event(frame: FrameType, event: str, argument: Any) -> None:
        is_record = event == "return" and frame.f_code.co_qualname == "Marks.record"
        if is_record and isinstance(frame.f_locals["event"], EVENTS):
            on_answer(frame.f_locals["row"].row)
        if event == of_c:
            if argument.__name__ not in NAMES or (name := _name(argument)) is None:
                return
            caller: FrameType | None = frame
        elif event == of_python and frame.f_code.co_qualname in RETURNS:
            name, caller = frame.f_code.co_qualname, frame.f_back
        else:
            return
        on_call(f"{name} at {_place(caller)}")

    threading.setprofile(on_event)
    sys.setprofile(on_event)


def _name(function: Any) -> str | None:
    """The name of a function that changes something; None for others of the same name."""
    owner = function.__module__ or type(function.__self__).__name__
    return f"{owner}.{function.__name__}" if function.__name__ in CHANGING.get(owner, ()) else None


def _place(frame: FrameType | None) -> str:
    """The line of batchrun that is being executed."""
    while frame is not None and not frame.f_code.co_filename.startswith(ROOT):
        frame = frame.f_back
    return "the start" if frame is None else f"{frame.f_code.co_filename.removeprefix(ROOT)}:{frame.f_lineno}"
