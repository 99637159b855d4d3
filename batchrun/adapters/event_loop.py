"""The event loop of a job: uvloop where it is installed, because it takes less CPU time per request."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")
OnError: TypeAlias = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]


def run_in_loop(work: Coroutine[Any, Any, T], on_error: OnError | None = None) -> T:
    """Run `work` in a new event loop and return its result. `on_error` handles errors in callbacks of the loop."""
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.get_loop().set_exception_handler(on_error)
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
