"""Handles SIGINT, SIGTERM and SIGHUP: the first one stops the job, the second one ends the process at once."""

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from batchrun.errors import ExitCode

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """A signal arrived before the first request."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = ExitCode.of_signal(number)


def _handled_signals() -> list[signal.Signals]:
    """The signals to handle: those that the parent process does not ignore (as nohup ignores SIGHUP)."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def interruptible() -> Iterator[None]:
    """While the context is open, a signal raises `Interrupted`."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    old_handlers = {number: signal.signal(number, interrupt) for number in _handled_signals()}
    try:
        yield
    finally:
        for number, handler in old_handlers.items():
            signal.signal(number, handler)


@contextmanager
def draining(on_first: Callable[[signal.Signals], None]) -> Iterator[None]:
    """While the context is open, the first signal calls `on_first` and the second one ends the process at once.

    Use it in a running loop. Ending at once loses nothing, since all recorded changes are on disk.
    """
    loop = asyncio.get_running_loop()
    signals = _handled_signals()
    old_handlers = {number: signal.getsignal(number) for number in signals}
    received: list[signal.Signals] = []

    def handle(number: signal.Signals) -> None:
        if received:
            if sys.stderr.isatty():
                os.write(2, b"\x1b[?25h\n")  # show the cursor, which a progress bar may have hidden
            os._exit(ExitCode.of_signal(number))
        received.append(number)
        on_first(number)

    for number in signals:
        loop.add_signal_handler(number, handle, number)
    try:
        yield
    finally:
        for number, handler in old_handlers.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
