"""The memory for the bodies of responses, of all requests together.

A body is read in pieces, and each piece needs memory first. Without any the body is not read: it stays in the buffers
of its connection, and the server waits.
"""

import asyncio
import weakref
from collections.abc import Callable
from functools import partial

MAX_RESPONSE_BYTES = 64 << 20
"""Maximum size of a decompressed response. A longer one is cut off and proves nothing."""

MAX_HELD_BYTES = 256 << 20
"""Maximum size of all bodies of more than `SMALL_BYTES` at one time, from their first byte until they are recorded."""

SMALL_BYTES = 64 << 10
"""A body up to this size never waits for memory."""


class ResponseMemory:
    """Grants memory for bodies of at most `largest` bytes each, and of at most `limit` bytes together.

    A body may grow only if then the largest of the growing bodies could still grow to `largest`. So one body can always
    be finished, and its memory returns.
    """

    def __init__(self, limit: int = MAX_HELD_BYTES, largest: int = MAX_RESPONSE_BYTES) -> None:
        self.largest = largest
        self.held = 0
        """Bytes granted to all bodies."""
        self._limit = limit
        self._growing: set[BodyMemory] = set()
        self._handed_over = 0
        self._growth, self._handover = _Waiters(), _Waiters()

    def grow(self, body: "BodyMemory", size: int) -> bool:
        """Grant a body `size` bytes in all if that is possible now. Unless it is the largest, it waits its turn."""
        return (not self._growth or body.size >= self._most_grown) and self._grow(body, size)

    async def wait_to_grow(self, body: "BodyMemory", size: int) -> None:
        """Wait until a body may have `size` bytes in all."""
        self._growing.add(body)
        await self._growth.wait(partial(self._grow, body, size))

    async def hand_over(self, body: "BodyMemory", size: int) -> None:
        """The body is complete: wait until it may be passed on.

        To parse and to record an answer takes several times its size, so answers of more than `largest` bytes together
        are passed on one after another.
        """
        self._growing.discard(body)
        self._resize(body, size)
        self._growth.serve()
        attempt = partial(self._hand_over, body)
        if self._handover or not attempt():
            await self._handover.wait(attempt)

    def release(self, body: "BodyMemory") -> None:
        """Return the memory of a body."""
        self._growing.discard(body)
        if body.is_handed_over:
            self._handed_over -= body.size
            body.is_handed_over = False
        self._resize(body, 0)
        self._handover.serve(in_order=True)
        self._growth.serve()

    def _grow(self, body: "BodyMemory", size: int) -> bool:
        held = self.held - body.size + size
        if held + self.largest > self._limit and held + self.largest - max(size, self._most_grown) > self._limit:
            return False
        self._growing.add(body)
        self._resize(body, size)
        return True

    def _hand_over(self, body: "BodyMemory") -> bool:
        if self._handed_over and self._handed_over + body.size > self.largest:
            return False
        self._handed_over += body.size
        body.is_handed_over = True
        return True

    def _resize(self, body: "BodyMemory", size: int) -> None:
        self.held += size - body.size
        body.size = size

    @property
    def _most_grown(self) -> int:
        return max((body.size for body in self._growing), default=0)


class BodyMemory:
    """The memory of one body."""

    __slots__ = ("_loop", "_memory", "is_handed_over", "size")

    def __init__(self, memory: ResponseMemory) -> None:
        self._memory = memory
        self._loop = asyncio.get_running_loop()
        self.size = 0
        self.is_handed_over = False

    def grow(self, size: int) -> bool:
        """Get `size` bytes in all, if that is possible now."""
        return self._memory.grow(self, size)

    async def wait_to_grow(self, size: int) -> None:
        """Wait until there are `size` bytes in all."""
        await self._memory.wait_to_grow(self, size)

    async def hand_over(self, size: int) -> None:
        """The body is complete and has `size` bytes: wait until it may be passed on."""
        await self._memory.hand_over(self, size)

    def release(self) -> None:
        """Return the memory."""
        self._memory.release(self)

    def release_with(self, owner: object) -> None:
        """Return the memory when nothing refers to `owner` any more, in whatever thread that happens."""
        weakref.finalize(owner, self._release_in_loop).atexit = False

    def _release_in_loop(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.release)


class _Waiters:
    """Those who wait until their attempt succeeds."""

    def __init__(self) -> None:
        self._attempts: dict[asyncio.Future[None], Callable[[], bool]] = {}

    def __bool__(self) -> bool:
        return bool(self._attempts)

    async def wait(self, attempt: Callable[[], bool]) -> None:
        """Wait until `attempt` returns True. The caller has tried it."""
        future = asyncio.get_running_loop().create_future()
        self._attempts[future] = attempt
        try:
            await future
        finally:
            self._attempts.pop(future, None)

    def serve(self, *, in_order: bool = False) -> None:
        """Try again for each that waits; `in_order`: until one fails."""
        for future, attempt in list(self._attempts.items()):
            if future.done():
                continue  # cancelled
            if attempt():
                del self._attempts[future]
                future.set_result(None)
            elif in_order:
                return
