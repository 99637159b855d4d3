"""Ends the process at once on a signal. It is imported before everything else, so it imports next to nothing."""

import atexit
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def handled_signals() -> list[signal.Signals]:
    """The signals to handle: those that the parent process does not ignore, as nohup ignores SIGHUP."""
    return [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]


def leave_on_signals(explain: "Callable[[str, int], str]") -> None:
    """From now on, a signal ends the process at once with its exit code.

    `explain` formats the name of the signal and the exit code as a line for standard error.
    """

    def leave(number: int, _frame: "FrameType | None") -> None:
        code = 128 + number
        try:
            os.write(2, explain(signal.Signals(number).name, code).encode())
        finally:  # also if standard error is closed: nothing is left where that could be reported
            os._exit(code)

    for number in handled_signals():
        signal.signal(number, leave)
    atexit.register(_ignore_signals)  # first registered, called last


def _ignore_signals() -> None:
    """Python restores the default action of other handlers just before it ends, which would replace the exit code."""
    for number in handled_signals():
        signal.signal(number, signal.SIG_IGN)


def end_with(code: int) -> None:
    """From now on, a signal ends the process at once with this exit code: everything is done."""
    for number in handled_signals():
        signal.signal(number, lambda *_: os._exit(code))
