"""The rows of the driver: those to submit, which are read ahead, and those that some worker is to take over."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from batchrun.domain.events import Adopted, Held, Reused, Settled
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.engine.settings import InDoubt, Stop
from batchrun.engine.transitions import Transitions
from batchrun.errors import ExitCode, InputError, StorageError
from batchrun.ports import RowSource, Work

MAX_READY = 2_000
"""Rows that are read before a worker has room for them."""

MAX_RECHECKED = 500
"""Rows that timed out earlier are polled once more while a worker polls fewer runs than this."""


class Feed:
    """`on_ready` is called when there are rows for a worker again."""

    def __init__(
        self, source: RowSource, transitions: Transitions, in_doubt: InDoubt, on_ready: Callable[[], None]
    ) -> None:
        self._source = source
        self._transitions = transitions
        self._in_doubt = in_doubt
        self._on_ready = on_ready
        self._ready: deque[Work] = deque()
        self._unplaced: deque[Row] = deque()
        self._timed_out: Iterator[Row] = iter(())
        self._is_reading = False
        self._wanted = asyncio.Event()

    def start(self, resumed: Iterable[Row], timed_out: Iterable[Row]) -> None:
        """The rows of earlier commands; see `Engine.run`."""
        self._unplaced.extend(resumed)
        self._timed_out = iter(timed_out)

    @property
    def is_exhausted(self) -> bool:
        """Whether there is no row for any worker."""
        return not self._ready and not self._is_reading and self._source.exhausted and not self._unplaced

    @property
    def unplaced(self) -> int:
        """Rows that some worker is to take over."""
        return len(self._unplaced)

    async def run(self, stop: Callable[[Stop], None]) -> None:
        """Read rows ahead, and take over those that an earlier job has sent, until cancelled."""
        while True:
            while len(self._ready) < MAX_READY and not self._source.exhausted:
                self._is_reading = True
                try:
                    work = await self._source.next()
                except (StorageError, InputError) as error:
                    stop(Stop(ExitCode.STORAGE, str(error)))
                    return
                if work is not None and work.earlier is not None:
                    await self._take_over(work.row, work.earlier)
                    self._on_ready()
                elif work is not None:
                    self._ready.append(work)
                    if len(self._ready) == 1:
                        self._on_ready()
                self._is_reading = False
            self._transitions.changed.set()
            self._wanted.clear()
            await self._wanted.wait()

    async def _take_over(self, row: Row, event: Reused | Adopted | Held) -> None:
        changed_row = await self._transitions.note(row, event)
        if changed_row.state is State.RUNNING:
            self._unplaced.append(changed_row)
        if changed_row.state is State.IN_DOUBT and self._in_doubt is InDoubt.FAIL:
            await self._transitions.note(changed_row, Settled(State.FAILED, self._transitions.now()))

    def give_back(self, row: Row, *, is_queued: bool) -> None:
        """A worker does not have this row any more: submit it, or let another worker take it over."""
        if is_queued:
            self._source.recall(row)
            self._wanted.set()
        else:
            self._unplaced.append(row)

    def take(self, number: int) -> Sequence[Work]:
        """Up to so many rows to submit."""
        taken = [self._ready.popleft() for _ in range(min(number, len(self._ready)))]
        if taken:
            self._wanted.set()
        return taken

    def take_unplaced(self, workers: int) -> Sequence[Row]:
        """The part of one of `workers` workers of the rows that are to be taken over."""
        return [self._unplaced.popleft() for _ in range(-(-len(self._unplaced) // workers))] if workers else []

    def take_timed_out(self, tracked: int) -> Sequence[Row]:
        """Rows that timed out earlier, for a worker that polls `tracked` runs."""
        taken = list[Row]()
        while tracked + len(taken) < MAX_RECHECKED and (row := next(self._timed_out, None)) is not None:
            taken.append(row)
        return taken
