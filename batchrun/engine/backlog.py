"""The queue of rows to submit: rows that wait for another attempt, then the rest of the input."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Sequence
from itertools import count

from batchrun.domain.events import Adopted, Held, Reused
from batchrun.domain.row import Row
from batchrun.engine.wait_until import wait_until
from batchrun.ports import Clock, RowSource, Work

MAX_RETRY_DELAY = 3600.0
"""The longest wait of a row for its next attempt, in seconds: where the service asks for it."""

MAX_SKIP_EXPONENT = 10
"""A probe looks at most 2 to this power rows ahead in the input."""

GOLDEN_RATIO = 0.618034
"""The fractional parts of its multiples are spread evenly over [0, 1), however many there are."""


class Backlog:
    """Rows to submit; rows that are due for another attempt come first. At most `max_waiting` rows are in memory.

    A row that timed out is polled once more before it is submitted again, and the files of a row are uploaded first
    (`hold`, `give_back`). A row that an earlier job has sent is passed to `take_over` and not submitted.
    """

    def __init__(
        self,
        source: RowSource,
        clock: Clock,
        max_waiting: int,
        take_over: Callable[[Row, Reused | Adopted | Held], Awaitable[object]],
    ) -> None:
        self._source = source
        self._time = asyncio.get_running_loop().time
        self._clock = clock
        self._max_waiting = max_waiting
        self._take_over = take_over
        self._waiting: list[tuple[float, int, Work]] = []
        self._order = count()
        self._held = 0
        self._changed = asyncio.Event()

    @property
    def empty(self) -> bool:
        """Whether no row is queued, and none is held."""
        return self._source.exhausted and not self._waiting and not self._held

    async def take(self) -> Work | None:
        """The next row that is due; None if none is due now."""
        if self._waiting and self._waiting[0][0] <= self._time():
            return heapq.heappop(self._waiting)[2]
        return await self._next_from_source()

    async def probe(self, number: int) -> Work | None:
        """A row for probe `number` (1, 2, …) of an outage, preferably one that was never refused.

        A long block of bad rows may look like an outage. Each probe therefore takes a row twice as far ahead in the
        input as the one before. At the end of the input, probes take rows spread over those that are due.
        """
        distance, ahead = 2 ** min(number - 1, MAX_SKIP_EXPONENT), list[Work]()
        while len(ahead) < distance and (work := await self._next_from_source(len(ahead))) is not None:
            ahead.append(work)
        probe_work = ahead.pop() if len(ahead) == distance else None
        for work in ahead:
            self.put_back(work, 0.0)
        return probe_work or self._due_at(number * GOLDEN_RATIO % 1)

    def _due_at(self, share: float) -> Work | None:
        """The row at this position (0 to 1) among the rows that are due, ordered by their time; None if none is due."""
        now = self._time()
        due = sorted(entry for entry in self._waiting if entry[0] <= now)
        if not due:
            return None
        chosen = due[int(share * len(due))]
        self._waiting.remove(chosen)
        heapq.heapify(self._waiting)
        return chosen[2]

    async def _next_from_source(self, extra: int = 0) -> Work | None:
        """The next due row of the source; None if there is none, or if too many rows wait, including `extra` others."""
        while not self._source.exhausted and len(self._waiting) + self._held + extra < self._max_waiting:
            work = await self._source.next()
            if work is None:
                return None
            if work.earlier is not None:
                await self._take_over(work.row, work.earlier)
            elif work.row.not_before is not None and (delay := self._until_due(work.row)) > 0:
                self.put_back(work, delay)
            else:
                return work
        return None

    def put_back(self, work: Work, delay: float | None = None) -> None:
        """Queue a row again, due in `delay` seconds. None: due at the `not_before` time of the row."""
        due = self._time() + (self._until_due(work.row) if delay is None else delay)
        heapq.heappush(self._waiting, (due, next(self._order), work))
        self._changed.set()

    def hold(self) -> None:
        """A row that was taken is polled once more, or its files are uploaded. See `give_back`."""
        self._held += 1

    def give_back(self, work: Work | None) -> None:
        """End `hold`; until then the backlog is not empty. `work`: the row to submit; None: there is none."""
        self._held -= 1
        if work is not None:
            self.put_back(work)
        self._changed.set()

    def recall(self, row: Row, values: Sequence[object] | None) -> None:
        """Queue a row whose run failed. Without `values`, its columns are read from the input again."""
        if values is not None:
            self.put_back(Work(row, values))
        else:
            self._source.recall(row)
            self._changed.set()

    def notify(self) -> None:
        """Wake the task in `wait`: something has changed, such as that the source has rows again."""
        self._changed.set()

    async def wait(self) -> None:
        """Wait until something changes or a row is due."""
        self._changed.clear()
        await wait_until(self._changed, self._waiting[0][0] if self._waiting else None)

    def _until_due(self, row: Row) -> float:
        # The wall clock may have been set back since, so the delay is at most the one that was meant.
        not_before = row.not_before or 0
        last = max(row.intent_at or 0, row.submitted_at or 0, row.accepted_at or 0)
        return min(max((not_before - self._clock.now()) / 1000, 0.0), max((not_before - last) / 1000, 0.0))
