"""The event loop of a job: uvloop where it is installed, because it takes less CPU time per request."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in a new event loop and return its result."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(work)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - not available on Windows and PyPy
    except ImportError:
        return asyncio.new_event_loop()

    class Loop(uvloop.Loop):
        """Reads the clock at each call. The clock of uvloop is only updated once per loop iteration."""

        time = staticmethod(time.monotonic)  # noqa: TID251 - this is the clock of loop.time()

    return Loop()
