"""Whether errors are reported as JSON events. It is known before options are parsed, and imports next to nothing."""

import os
import time

from batchrun.adapters.clock import WallClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

EVENT_COMMANDS = frozenset({"run", "resume", "retry", "check"})
"""The commands that have `--progress`."""


def wants_events(arguments: "Sequence[str]") -> bool:
    """Whether standard error must hold JSON events only (`--progress json`).

    This is checked before the arguments are parsed, because mistakes in the arguments are reported as events too.
    """
    if not arguments or arguments[0] not in EVENT_COMMANDS:
        return False
    chosen = os.environ.get("BATCHRUN_PROGRESS")
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--progress":
            chosen = value if equals else next(iter(arguments[index + 1 :]), "")
    return chosen == "json"


def interruption_line(signal_name: str, exit_code: int, *, as_event: bool, has_begun: bool) -> str:
    """The line about a signal that ends the command, as text or as the event `views.progress_events.Error`."""
    message = f"interrupted by {signal_name}" if has_begun else f"interrupted by {signal_name} before anything was sent"
    if not as_event:
        return f"Error: {message}\n"
    seconds, milliseconds = divmod(WallClock().now(), 1000)
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{milliseconds:03}000Z"
    return f'{{"event":"error","at":"{at}","exit_code":{exit_code},"message":"{message}","traceback":null}}\n'
