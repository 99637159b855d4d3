"""Limits the number of requests that are sent at the same time, of all classes together."""

import asyncio
from collections import deque


class Connections:
    """Places for requests, given away in the order in which they were asked for. Their number may change."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.in_use = 0
        """Requests that have a place."""
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def is_short(self) -> bool:
        """Whether a request waits for a place."""
        return any(not waiter.done() for waiter in self._waiting)

    def resize(self, size: int) -> None:
        """Allow this many from now on. If more are in use, they are not taken away."""
        self._size = size
        self._give_away()

    async def acquire(self) -> None:
        """Wait for a place, and take it."""
        if self.in_use < self._size and not self.is_short:
            self.in_use += 1
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Give a place back."""
        self.in_use -= 1
        self._give_away()

    def _give_away(self) -> None:
        while self._waiting and self.in_use < self._size:
            waiter = self._waiting.popleft()
            if not waiter.done():
                self.in_use += 1
                waiter.set_result(None)
