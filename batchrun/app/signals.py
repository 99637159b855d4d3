"""What Ctrl-C and its kin do: the first asks, the second leaves at once."""

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
    """A signal came before there was anything to drain."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = ExitCode.of_signal(number)


def _heeded() -> list[signal.Signals]:
    """The signals that our parent did not tell us to ignore (as nohup does with SIGHUP)."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block a signal raises `Interrupted`."""

    def interrupt(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    before = {number: signal.signal(number, interrupt) for number in _heeded()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def draining(on_first: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Within the block the first signal calls `on_first`, and the second ends the process at once.

    Call it inside a running loop. Whatever was recorded is on disk, so leaving at once loses nothing.
    """
    loop = asyncio.get_running_loop()
    numbers = _heeded()
    before = {number: signal.getsignal(number) for number in numbers}
    seen: list[signal.Signals] = []

    def heed(number: signal.Signals) -> None:
        if seen:
            if sys.stderr.isatty():
                os.write(2, b"\x1b[?25h\n")  # the cursor, which a progress bar may have hidden
            os._exit(ExitCode.of_signal(number))
        seen.append(number)
        on_first(number)

    for number in numbers:
        loop.add_signal_handler(number, heed, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)
