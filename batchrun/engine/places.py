"""How many runs may be under way at once: a place is held from before the POST until the run has ended."""

import asyncio
import heapq

from batchrun.engine.waiting import wait_until


class Places:
    """Counts places in flight. A row in doubt holds its place until its run would have timed out."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._time = asyncio.get_running_loop().time
        self._taken = 0
        self._doubtful: list[tuple[float, int]] = []
        self._doubts: dict[int, float] = {}
        self._freed = asyncio.Event()
        self.wanted = False
        """Whether somebody waits for a place."""

    def take(self) -> None:
        """Take a place, even where there is none (runs that an earlier command accepted are there, free or not)."""
        self._taken += 1

    def free(self) -> None:
        """Give a place back."""
        self._taken -= 1
        self._freed.set()

    def doubt(self, row: int, until: float) -> None:
        """The holder of a place fell into doubt: it is given back at this time of the loop."""
        self._doubts[row] = until
        heapq.heappush(self._doubtful, (until, row))
        self._freed.set()

    @property
    def all_doubtful(self) -> bool:
        """Whether rows in doubt hold all places there are."""
        return len(self._doubts) >= self._size

    def settle(self, row: int) -> None:
        """The run of a row in doubt is known: it holds a place until it has ended, its old one if it still has it."""
        if self._doubts.pop(row, None) is None:
            self.take()

    @property
    def last_doubt(self) -> float | None:
        """When the last of the rows in doubt gives its place back; None where none holds one."""
        return max(self._doubts.values(), default=None)

    async def available(self) -> None:
        """Wait until a place is free."""
        while True:
            while self._doubtful and self._doubtful[0][0] <= self._time():
                until, row = heapq.heappop(self._doubtful)
                if self._doubts.get(row) == until:
                    del self._doubts[row]
                    self._taken -= 1
            self.wanted = self._taken >= self._size
            if not self.wanted:
                return
            self._freed.clear()
            await wait_until(self._freed, self._doubtful[0][0] if self._doubtful else None)
