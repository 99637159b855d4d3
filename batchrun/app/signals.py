"""Handles SIGINT, SIGTERM and SIGHUP. What a signal does depends on how far the command is:

    imports, options    `leave_on_signals`          leaves at once, since nothing has begun
    files are prepared  `interruptible`             raises `Interrupted`, and what was made is undone
    the job runs        `draining`                  the first signal stops the job, the second one leaves at once
    the job has ended   `Interruption.record_only`  the second one leaves at once
    output              `leave_on_signals`          leaves at once

A signal that the parent process ignores, as nohup ignores SIGHUP, is left alone. This file is imported before all
others, so it imports little itself.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from batchrun.errors import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Explain = Callable[[str, int], str]
"""Formats a message and an exit code as a line for standard error."""


class Interrupted(BaseException):
    """A signal arrived before the first request."""

    def __init__(self, number: int) -> None:
        super().__init__(_message(number, begun=False))
        self.exit_code = ExitCode.of_signal(number)


def _message(number: int, *, begun: bool) -> str:
    name = signal.Signals(number).name
    return f"interrupted by {name}" if begun else f"interrupted by {name} before anything was sent"


def _handled_signals() -> list[signal.Signals]:
    """The signals to handle: those that the parent process does not ignore."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def leave_on_signals(explain: Explain) -> None:
    """From now on, a signal ends the process at once, with a line on standard error."""

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        code = ExitCode.of_signal(number)
        with suppress(OSError):
            os.write(2, explain(_message(number, begun=_Process.has_begun_job), code).encode())
        os._exit(code)

    for number in _handled_signals():
        signal.signal(number, leave)
    atexit.register(_ignore_signals)  # first registered, called last


def _ignore_signals() -> None:
    """Python restores the default action of the other handlers just before it ends, which replaces the exit code."""
    for number in _handled_signals():
        signal.signal(number, signal.SIG_IGN)


def end_with(code: int) -> None:
    """From now on, a signal ends the process at once with this exit code: everything is done."""
    for number in _handled_signals():
        signal.signal(number, lambda *_: os._exit(code))


class _Process:
    """What the handlers of this process have to know of each other."""

    has_begun_job = False
    interruption: "Interruption | None" = None


class Interruption:
    """The signals of `interruptible`."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self._raises = True

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.received:
            _leave_at_once(number)
        self.received.append(number)
        if self._raises:
            raise Interrupted(number)

    def record_only(self) -> None:
        """Do not raise any more: `draining` stops the job. Raises `Interrupted` if it was raised before and lost.

        An exception is lost if it is raised where nobody can catch it, such as in a destructor.
        """
        self._raises = False
        _Process.has_begun_job = True
        self.raise_lost()

    def raise_lost(self) -> None:
        """Raise `Interrupted` if a signal was received."""
        if self.received:
            raise Interrupted(self.received[0])


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """While the context is open, the first signal raises `Interrupted`, and the second one leaves at once."""
    interruption = _Process.interruption = Interruption()
    old_handlers = {number: signal.signal(number, interruption.handle) for number in _handled_signals()}
    try:
        yield interruption
    finally:
        for number, handler in old_handlers.items():
            signal.signal(number, handler)
        _Process.interruption = None
    if not _Process.has_begun_job:
        interruption.raise_lost()


@contextmanager
def draining(on_first: Callable[[signal.Signals], None]) -> Iterator[None]:
    """While the context is open, the first signal calls `on_first` and the second one ends the process at once.

    Use it in a running loop. Ending at once loses nothing, since all recorded changes are on disk.
    """
    import asyncio  # noqa: PLC0415 - it takes long

    loop = asyncio.get_running_loop()
    signals = _handled_signals()
    old_handlers = {number: signal.getsignal(number) for number in signals}
    received: list[int] = []

    def handle(number: signal.Signals) -> None:
        if received:
            _leave_at_once(number)
        received.append(number)
        on_first(number)

    for number in signals:
        loop.add_signal_handler(number, handle, number)
    if _Process.interruption is not None and _Process.interruption.received:
        handle(signal.Signals(_Process.interruption.received[0]))  # it arrived before the loop ran
    try:
        yield
    finally:
        for number, handler in old_handlers.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _leave_at_once(number: int) -> NoReturn:
    if sys.stderr is not None and sys.stderr.isatty():
        with suppress(OSError):
            os.write(2, b"\x1b[?25h\n")  # show the cursor, which a progress bar may have hidden
    os._exit(ExitCode.of_signal(number))
