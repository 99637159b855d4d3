"""One timer for all deadlines of the same length, because a timer per exchange is expensive."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar

from batchrun.domain.stalls import GRACE, STALL

T = TypeVar("T")

TICK = 0.5
"""Look at the clock every 0.5 s while a deadline runs, so that a stall is noticed and its length is known."""


class Deadlines:
    """Deadlines of `seconds`. Time in which the event loop did not run does not count (see `domain.stalls`).

    All have the same length, so they expire in the order in which they started.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self.now = self._loop.time
        self._running: dict[Deadline, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def deadline(self, expire: Callable[[], object]) -> "Deadline":
        """A context that calls `expire` when its time has passed, and then raises TimeoutError at its end."""
        return Deadline(self, expire)

    async def within(self, work: Awaitable[T]) -> T:
        """The result of `work`, which is cancelled when the time has passed. Raises TimeoutError then."""
        async with asyncio.timeout(None) as timeout:
            deadline = self.deadline(lambda: timeout.reschedule(self.now()))
            self.start(deadline)
            try:
                return await work
            finally:
                self.stop(deadline)

    def start(self, deadline: "Deadline") -> None:
        """Start the time of a deadline."""
        now = self.now()
        self._running[deadline] = now + self._seconds
        if self._timer is None:
            self._set_timer(now)

    def stop(self, deadline: "Deadline") -> bool:
        """Stop the time of a deadline. Returns whether it was running."""
        return self._running.pop(deadline, None) is not None

    def _set_timer(self, now: float) -> None:
        due = min(next(iter(self._running.values())), now + TICK)
        self._timer = self._loop.call_at(due, self._on_timer, due)

    def _on_timer(self, due: float) -> None:
        now, self._timer = self.now(), None
        if now - due > STALL:
            self._extend(now, now - due)
        while self._running:
            deadline, expires_at = next(iter(self._running.items()))
            if expires_at > now:
                self._set_timer(now)
                return
            del self._running[deadline]
            deadline.expire()

    def _extend(self, now: float, stalled: float) -> None:
        """Add the length of a stall to the deadlines that ran during it, and `GRACE` to each once."""
        earliest = now + min(GRACE, self._seconds)
        for deadline, expires_at in self._running.items():
            extended = expires_at + stalled
            self._running[deadline] = extended if deadline.has_grace else max(extended, earliest)
            deadline.has_grace = True


class Deadline:
    """The deadline of one exchange."""

    __slots__ = ("_deadlines", "expire", "has_grace")

    def __init__(self, deadlines: Deadlines, expire: Callable[[], object]) -> None:
        self._deadlines = deadlines
        self.expire = expire
        self.has_grace = False
        """Whether it was extended by `GRACE`. A loop that stalls again and again must not extend it for ever."""

    def __enter__(self) -> "Deadline":
        self._deadlines.start(self)
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        in_time = self._deadlines.stop(self)
        if not in_time and (error is None or isinstance(error, Exception)):  # do not swallow a cancellation
            raise TimeoutError from None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A context whose time does not count. After it the whole time starts anew.

        Raises TimeoutError if the time has passed before.
        """
        if not self._deadlines.stop(self):
            raise TimeoutError
        yield
        self._deadlines.start(self)
