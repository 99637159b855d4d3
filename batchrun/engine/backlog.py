"""What is queued: rows that wait for another attempt, and the rest of the input behind them."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

from batchrun.domain.events import Reused
from batchrun.domain.row import Row
from batchrun.engine.waiting import wait_until
from batchrun.ports import Clock, RowSource, Work

LONGEST_DELAY = 60.0
"""Seconds that a row waits for its next attempt, at the most."""


FURTHEST_LEAP = 10
"""No probe looks further ahead than 2 to this power."""

GOLDEN = 0.618034
"""Multiples of it, less their whole part, fall evenly between 0 and 1 however many there are."""


class Backlog:
    """Rows to submit, those that are due for another attempt first. At most `most_waiting` of them are in memory.

    A row that timed out is lent to the poller first, and comes back. One that an earlier job has completed goes to
    `take_over` at once, and is nothing to submit.
    """

    def __init__(
        self, source: RowSource, clock: Clock, most_waiting: int, take_over: Callable[[Row, Reused], Awaitable[object]]
    ) -> None:
        self._source = source
        self._time = asyncio.get_running_loop().time
        self._clock = clock
        self._most_waiting = most_waiting
        self._take_over = take_over
        self._waiting: list[tuple[float, int, Work]] = []
        self._order = count()
        self._lent = 0
        self._at_end = False
        self._news = asyncio.Event()

    @property
    def empty(self) -> bool:
        """Whether nothing is queued, now or later."""
        return self._at_end and not self._waiting and not self._lent

    async def take(self) -> Work | None:
        """The next row that is due; None where none is due now."""
        if self._waiting and self._waiting[0][0] <= self._time():
            return heapq.heappop(self._waiting)[2]
        return await self._new()

    async def probe(self, number: int) -> Work | None:
        """A row for the outage's probe of this number (1, 2, …), rather one that was never refused.

        It may not be the service that is ill but a block of rows, however long. So each probe leaps twice as far ahead
        in the input as the one before; and where that has no more rows, it jumps about among those that wait.
        """
        leap, between = 2 ** min(number - 1, FURTHEST_LEAP), list[Work]()
        while len(between) < leap and (work := await self._new(len(between))) is not None:
            between.append(work)
        far = between.pop() if len(between) == leap else None
        for work in between:
            self.put_back(work, 0.0)
        return far or self._any(number * GOLDEN % 1)

    def _any(self, share: float) -> Work | None:
        """The row with this share (0 to 1) of those that are due before it."""
        now = self._time()
        due = sorted(entry for entry in self._waiting if entry[0] <= now)
        if not due:
            return None
        chosen = due[int(share * len(due))]
        self._waiting.remove(chosen)
        heapq.heapify(self._waiting)
        return chosen[2]

    async def _new(self, held: int = 0) -> Work | None:
        """The next row of the source that is due; None where there is none, or too many wait, `held` of them apart."""
        while not self._at_end and len(self._waiting) + self._lent + held < self._most_waiting:
            work = await self._source.next()
            if work is None:
                self._at_end = True
            elif work.reused is not None:
                await self._take_over(work.row, work.reused)
            elif work.row.not_before is not None and (delay := self._until_due(work.row)) > 0:
                self.put_back(work, delay)
            else:
                return work
        return None

    def put_back(self, work: Work, delay: float | None = None) -> None:
        """Queue a row again, not before `delay` seconds from now, or not before the time that it carries."""
        due = self._time() + (self._until_due(work.row) if delay is None else delay)
        heapq.heappush(self._waiting, (due, next(self._order), work))
        self._news.set()

    def lend(self) -> None:
        """One row that was taken will come back, or has completed meanwhile: there is more to do until then."""
        self._lent += 1

    def rechecked(self, work: Work | None) -> None:
        """What was lent is back; None: it is not to be submitted any more."""
        self._lent -= 1
        if work is not None:
            self.put_back(work)
        self._news.set()

    def recall(self, row: Row, values: Sequence[object] | None) -> None:
        """Queue a row again whose run failed; without its `values` it is read from the input once more."""
        if values is not None:
            self.put_back(Work(row, values))
        else:
            self._source.recall(row)
            self._at_end = False
            self._news.set()

    def notify(self) -> None:
        """Wake the one who waits: something has changed."""
        self._news.set()

    async def wait(self) -> None:
        """Wait until something changes or a row is due."""
        self._news.clear()
        await wait_until(self._news, self._waiting[0][0] if self._waiting else None)

    def _until_due(self, row: Row) -> float:
        # Never longer than the longest delay that we give: the wall clock may have been set back since.
        return min(max(((row.not_before or 0) - self._clock.now()) / 1000, 0.0), LONGEST_DELAY)
