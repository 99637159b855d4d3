"""Limits the number of runs in flight. A slot is held from before the POST until the run has ended."""

import asyncio
import heapq

from batchrun.engine.wait_until import wait_until


class InFlightLimit:
    """Counts the slots that are in use. A row in doubt holds its slot until its run would have timed out."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._time = asyncio.get_running_loop().time
        self._held = 0
        self._in_doubt_until: list[tuple[float, int]] = []
        self._in_doubt: dict[int, float] = {}
        self._lender: int | None = None
        self._released = asyncio.Event()
        self.has_waiters = False
        """Whether a task waits for a slot."""

    def resize(self, size: int) -> None:
        """Allow this many slots from now on. If more are in use, they are not taken away."""
        self._size = size
        self._released.set()

    @property
    def in_use(self) -> int:
        """The slots that are in use."""
        self._release_expired()
        return self._held

    @property
    def is_short(self) -> bool:
        """Whether a task waits for a slot."""
        return self.has_waiters and not self.has_room

    def acquire(self) -> None:
        """Take a slot, even if none is free: runs that an earlier command started use slots in any case."""
        self._held += 1

    def release(self, row: int | None = None) -> None:
        """Release a slot. `row`: the one that held it, if it may have lent it."""
        if row is not None and row == self._lender:
            self._lender = None
            return
        self._held -= 1
        self._released.set()

    def lend(self, row: int) -> None:
        """Another run may use the slot of this row: its run has ended, but the answer that says so is not believed yet.

        The next run may show why. One slot is lent at a time: many such answers must not have all rows submitted.
        """
        if self._lender is None:
            self.release()
            self._lender = row

    @property
    def has_room(self) -> bool:
        """Whether a slot is free."""
        return self._held < self._size

    def hold_in_doubt(self, row: int, until: float) -> None:
        """A row that holds a slot is in doubt. The slot is released at `until` (event loop time)."""
        self._in_doubt[row] = until
        heapq.heappush(self._in_doubt_until, (until, row))
        self._released.set()

    @property
    def all_in_doubt(self) -> bool:
        """Whether rows in doubt hold all slots."""
        return 0 < self._size <= len(self._in_doubt)

    def resolve_doubt(self, row: int) -> None:
        """The run of a row in doubt is now known. It keeps its slot, or takes one, until it has ended."""
        if self._in_doubt.pop(row, None) is None:
            self.acquire()

    @property
    def last_doubt_ends(self) -> float | None:
        """When the last slot held by a row in doubt is released; None if there is none."""
        return max(self._in_doubt.values(), default=None)

    def _release_expired(self) -> None:
        while self._in_doubt_until and self._in_doubt_until[0][0] <= self._time():
            until, row = heapq.heappop(self._in_doubt_until)
            if self._in_doubt.get(row) == until:
                del self._in_doubt[row]
                self._held -= 1

    async def wait_available(self) -> None:
        """Wait until a slot is free."""
        while True:
            self._release_expired()
            self.has_waiters = self._held >= self._size
            if not self.has_waiters:
                return
            self._released.clear()
            await wait_until(self._released, self._in_doubt_until[0][0] if self._in_doubt_until else None)
