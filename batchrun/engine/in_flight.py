"""How many runs may be under way at once: a place is held from before the POST until the run has ended."""

import asyncio
import heapq

from batchrun.engine.waiting import wait_until


class InFlightLimit:
    """Counts places in flight. A row in doubt holds its place until its run would have timed out."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._time = asyncio.get_running_loop().time
        self._held = 0
        self._in_doubt_until: list[tuple[float, int]] = []
        self._in_doubt: dict[int, float] = {}
        self._released = asyncio.Event()
        self.has_waiters = False
        """Whether somebody waits for a place."""

    def acquire(self) -> None:
        """Take a place, even where there is none (runs that an earlier command accepted are there, free or not)."""
        self._held += 1

    def release(self) -> None:
        """Give a place back."""
        self._held -= 1
        self._released.set()

    def hold_in_doubt(self, row: int, until: float) -> None:
        """The holder of a place fell into doubt: it is given back at this time of the loop."""
        self._in_doubt[row] = until
        heapq.heappush(self._in_doubt_until, (until, row))
        self._released.set()

    @property
    def all_in_doubt(self) -> bool:
        """Whether rows in doubt hold all places there are."""
        return len(self._in_doubt) >= self._size

    def resolve_doubt(self, row: int) -> None:
        """The run of a row in doubt is known: it holds a place until it has ended, its old one if it still has it."""
        if self._in_doubt.pop(row, None) is None:
            self.acquire()

    @property
    def last_doubt_ends(self) -> float | None:
        """When the last of the rows in doubt gives its place back; None where none holds one."""
        return max(self._in_doubt.values(), default=None)

    async def wait_available(self) -> None:
        """Wait until a place is free."""
        while True:
            while self._in_doubt_until and self._in_doubt_until[0][0] <= self._time():
                until, row = heapq.heappop(self._in_doubt_until)
                if self._in_doubt.get(row) == until:
                    del self._in_doubt[row]
                    self._held -= 1
            self.has_waiters = self._held >= self._size
            if not self.has_waiters:
                return
            self._released.clear()
            await wait_until(self._released, self._in_doubt_until[0][0] if self._in_doubt_until else None)
