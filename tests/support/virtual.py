"""An event loop with virtual time, which can be used with real sockets and threads.

Time stands still while anything is ready, and otherwise jumps to the next timer. The loop waits in real time only while
a thread is working (such as the writer of the checkpoint), because its result belongs to the current virtual time.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

POLLED_TURNS = 16
"""A loop without sockets and threads asks the system only once in this many turns. Asking is most of a turn's cost."""

IDLE_TURNS = 20
"""After this many turns without progress time is advanced by 1 ns, as rounding can keep a leaky bucket from filling."""


class _Selector(selectors.DefaultSelector):
    """Advances virtual time instead of waiting."""

    loop: "VirtualLoop"
    _turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._turns += 1
        is_alone = len(self.get_map()) == 1 and not self.loop.running_threads  # nothing but the loop's own pipe
        if not (is_alone and self._turns % POLLED_TURNS) and (ready := super().select(0)):
            return ready
        if self.loop.running_threads:
            return super().select(timeout if timeout == 0 else 5.0)
        if timeout is None:
            return super().select(5.0)
        self.loop.advance(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop with a virtual `time()`.

    It starts far from zero, so that a comparison with another clock fails visibly.
    """

    def __init__(self) -> None:
        self._now = 1_000_000.0
        self._idle_turns = 0
        self.running_threads = 0
        self.unhandled: list[dict[str, Any]] = []
        """Unhandled errors: those of callbacks, and those of tasks that are never awaited."""
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.unhandled.append(context)
        super().call_exception_handler(context)

    def advance(self, seconds: float) -> None:
        """Advance the virtual time."""
        self._idle_turns = 0 if seconds > 0 else self._idle_turns + 1
        if self._idle_turns > IDLE_TURNS:
            self._idle_turns, seconds = 0, 1e-9
        self._now += seconds

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        self.running_threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Since Python 3.12 it has a timeout, which virtual time would reach at once. Wait for the threads instead."""
        self.running_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self.running_threads -= 1

    def _thread_done(self, _future: object) -> None:
        self.running_threads -= 1


class VirtualClock:
    """Implements `ports.Clock` on virtual time. The time continues from one loop to the next."""

    def __init__(self, start: int = 1_760_000_000_000) -> None:
        self._ms = start
        self._loop: asyncio.AbstractEventLoop | None = None
        self._since = 0.0

    def now(self) -> int:
        """UTC milliseconds."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return self._ms
        if loop is not self._loop:
            self._loop, self._since = loop, loop.time() - self._ms / 1000
        self._ms = round((loop.time() - self._since) * 1000)
        return self._ms

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back for a negative number."""
        self._ms += round(seconds * 1000)
        self._loop = None


class StillClock:
    """Implements `ports.Clock` as a wall clock that stands still."""

    def __init__(self, now: int = 1_760_000_000_000) -> None:
        self._now = now

    def now(self) -> int:
        """UTC milliseconds."""
        return self._now


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in virtual time. Fails if an error remains unhandled in the loop."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main)
        assert not loop.unhandled, loop.unhandled
        return result
