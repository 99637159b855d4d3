"""Ends the process at once where memory is short and Python cannot tell the job so.

An error in a callback of the event loop, in a destructor or at the end of a thread reaches nobody. The loop may then
wait forever for what was lost with it. Ending at once loses nothing, since all recorded changes are on disk.
"""

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from batchrun.errors import NO_MEMORY, ExitCode

_LINE = f"Error: {NO_MEMORY}\n".encode()


def end_without_memory(error: object) -> None:
    """End the process if this error means that memory is short."""
    if isinstance(error, MemoryError):
        try:
            os.write(2, _LINE)
        finally:
            os._exit(ExitCode.STORAGE)


def on_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Handle an error that the event loop has met in a callback."""
    end_without_memory(context.get("exception"))
    loop.default_exception_handler(context)


@contextmanager
def ending_without_memory() -> Iterator[None]:
    """While the context is open, the process ends where such an error is lost in a destructor or a thread."""
    old_hooks = sys.unraisablehook, threading.excepthook

    def on_unraisable(lost: "sys.UnraisableHookArgs") -> None:
        end_without_memory(lost.exc_value)
        old_hooks[0](lost)

    def on_thread_error(lost: threading.ExceptHookArgs) -> None:
        end_without_memory(lost.exc_value)
        old_hooks[1](lost)

    sys.unraisablehook, threading.excepthook = on_unraisable, on_thread_error
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = old_hooks
