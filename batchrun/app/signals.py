"""Handles SIGINT, SIGTERM and SIGHUP. What a signal does depends on how far the command is:

    imports, options    `leaving.leave_on_signals`  leaves at once, since nothing has begun
    files are prepared  `interruptible`             raises `Interrupted`, and what was made is undone
    the job runs        `draining`                  the first signal stops the job, the second one leaves at once
    the job has ended   `Interruption.record_only`  the second one leaves at once
    output              `leaving.leave_on_signals`  leaves at once

A signal that the parent process ignores is left alone.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

from batchrun.adapters.interruption import postponed
from batchrun.app.leaving import handled_signals
from batchrun.errors import ExitCode

ECHO_SECONDS = 0.2
"""A signal that arrives while the loop starts may be reported by the loop once more, within this time."""


class Interrupted(BaseException):
    """A signal arrived before the first request."""

    def __init__(self, number: int) -> None:
        super().__init__(f"interrupted by {signal.Signals(number).name} before anything was sent")
        self.exit_code = ExitCode.of_signal(number)


def _handled_signals() -> list[signal.Signals]:
    """The signals to handle; none outside the main thread, which alone can handle them."""
    return handled_signals() if threading.current_thread() is threading.main_thread() else []


class _Process:
    """What the handlers of this process have to know of each other."""

    has_begun_job = False
    interruption: "Interruption | None" = None


def has_begun_job() -> bool:
    """Whether requests may have been sent."""
    return _Process.has_begun_job


class Interruption:
    """The signals of `interruptible`."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.exit_line = ""
        """A line that is printed when a second signal ends the process at once."""
        self._raises = True

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.received:
            _leave_at_once(number)
        self.received.append(number)
        if self._raises and not postponed(self.raise_lost):
            raise Interrupted(number)

    def record_only(self, exit_line: str = "") -> None:
        """Do not raise any more: `draining` stops the job. Raises `Interrupted` if it was raised before and lost.

        `exit_line`: a line to print when a second signal ends the process at once. An exception is lost if it is
        raised where nobody can catch it, such as in a destructor.
        """
        self._raises, self.exit_line = False, exit_line
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
    old_hook = sys.unraisablehook
    sys.unraisablehook = lambda lost: None if isinstance(lost.exc_value, Interrupted) else old_hook(lost)
    old_handlers = {number: signal.signal(number, interruption.handle) for number in _handled_signals()}
    try:
        yield interruption
    finally:
        sys.unraisablehook = old_hook
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
    recorded, started_at = _Process.interruption.received[:1] if _Process.interruption else [], loop.time()

    def handle(number: signal.Signals) -> None:
        if number in recorded and loop.time() - started_at < ECHO_SECONDS:
            recorded.clear()  # the loop has been woken by the same signal, before it handled signals
            return
        if received:
            _leave_at_once(number)
        received.append(number)
        on_first(number)

    for number in signals:
        loop.add_signal_handler(number, handle, number)
    for number in map(signal.Signals, recorded):  # it arrived before the loop handled signals
        received.append(number)
        on_first(number)
    try:
        yield
    finally:
        # Blocked meanwhile, because asyncio puts Python's own handler in place of one that it removes.
        unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        for number, handler in old_handlers.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)


def _leave_at_once(number: int) -> NoReturn:
    with suppress(OSError):
        if sys.stderr is not None and sys.stderr.isatty():
            os.write(2, b"\x1b[?25h\n")  # show the cursor, which a progress bar may have hidden
        if _Process.interruption is not None and _Process.interruption.exit_line:
            os.write(2, f"{_Process.interruption.exit_line}\n".encode(errors="replace"))
    os._exit(ExitCode.of_signal(number))
