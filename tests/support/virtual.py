"""A loop with virtual time: hours of polling pass in a fraction of a second, over real sockets and real threads.

The clock stands still while anything is ready; when nothing is, it jumps to the next timer. It waits for real only
while a thread is at work (the checkpoint's writer among them), because its result belongs to the present moment.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

IDLE_TURNS = 20
"""After so many turns in which time stood still it is nudged: a bucket can stay 1e-16 short of full for ever."""


class _Selector(selectors.DefaultSelector):
    """Jumps instead of waiting."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if ready := super().select(0):
            return ready
        if self.loop.threads_at_work:
            return super().select(timeout if timeout == 0 else 5.0)
        if timeout is None:
            return super().select(5.0)
        self.loop.advance(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop whose `time()` is virtual; it starts far from zero, so that nobody compares it with another clock."""

    def __init__(self) -> None:
        self._virtual = 1_000_000.0
        self._still = 0
        self.threads_at_work = 0
        self.unhandled: list[dict[str, Any]] = []
        """What nobody has caught: errors in callbacks, and of tasks whose end nobody waits for."""
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self._virtual

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.unhandled.append(context)
        super().call_exception_handler(context)

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._still = 0 if seconds > 0 else self._still + 1
        if self._still > IDLE_TURNS:
            self._still, seconds = 0, 1e-9
        self._virtual += seconds

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> "asyncio.Future[T]":
        self.threads_at_work += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _future: object) -> None:
        self.threads_at_work -= 1


class VirtualClock:
    """`ports.Clock` on virtual time: it goes on from loop to loop and stands still between them; it can `jump`."""

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
        """Set the wall clock forward (or back)."""
        self._ms += round(seconds * 1000)
        self._loop = None


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` in virtual time; an error that it leaves unhandled in the loop fails too."""
    loop = VirtualLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        result = runner.run(main)
        assert not loop.unhandled, loop.unhandled
        return result
