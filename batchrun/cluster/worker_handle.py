"""A worker as the driver knows it."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from batchrun.adapters.checkpoint.entries import EncodedEntry
from batchrun.cluster.messages import ClassFigures, Committed, Kind, Orders, Report
from batchrun.domain.counters import Counters
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.domain.workers import WorkerFigures
from batchrun.engine.settings import EngineResult, Stop
from batchrun.ports import Hint

PATIENCE = 6.0
"""Seconds without an answer after which a worker is given up: twice as long as it may send without being heard."""

SLICE = 0.25
"""The patience is counted in such parts, so that time in which the driver itself was stopped counts as one of them."""


LONG = 0.02
"""Seconds from which on it is worthwhile to end the wait of a worker early."""


class WorkerLostError(Exception):
    """A worker has died, or does not answer."""


class Link(Protocol):
    """The way to a worker."""

    @property
    def host(self) -> str:
        """The machine on which it is."""
        ...

    @property
    def pid(self) -> int:
        """The number of its process there."""
        ...

    async def exchange(self, orders: Orders) -> Report:
        """Call `Worker.exchange`. Raises `WorkerLostError` if the worker has died."""
        ...

    def nudge(self) -> None:
        """Call `Worker.nudge`, without waiting."""
        ...

    def kill(self) -> None:
        """End the worker, if it is still there. Nothing that it says from now on is heard."""
        ...


@dataclass(slots=True)
class Batch:
    """Changes of one kind from one report, until they are on disk."""

    number: int
    kind: Kind
    entries: list[EncodedEntry] = field(default_factory=list)
    before: list[Row] = field(default_factory=list)
    """The row before each of them."""
    errors: dict[int, Exception] = field(default_factory=dict)

    @property
    def committed(self) -> Committed:
        """What the worker is told."""
        return Committed(self.number, self.kind, self.errors)


@dataclass(slots=True, eq=False)
class WorkerHandle:
    """One worker."""

    name: str
    link: Link
    news: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is something to tell the worker."""
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a batch is on disk."""
    rows: dict[int, Row] = field(default_factory=dict)
    """The rows that it has and that have not ended, as recorded last."""
    rechecked: set[int] = field(default_factory=set)
    """The rows that timed out earlier and that it polls once more, or has."""
    batches: int = 0
    """Batches that are not on disk yet."""
    untold: list[Batch] = field(default_factory=list)
    """Batches that are on disk, and of which the worker was not told."""
    adopted: list[Row] = field(default_factory=list)
    hints: list[Hint] = field(default_factory=list)
    values: dict[int, Sequence[object] | None] = field(default_factory=dict)
    ordered: int = 0
    """The number of the last orders."""
    reported: int = 0
    """The number of the last report."""
    patience: float = 0.0
    """Seconds for which it waits for something to report."""
    room: int = 0
    tracked: int = 0
    in_flight: int = 0
    allowed: int = 0
    """POSTs that it may send in all, if they are limited."""
    is_idle: bool = False
    is_busy: bool = False
    """Whether the last report had changes."""
    is_gathering: bool = False
    """Whether it had so many that the worker gathers the next report for a while."""
    is_waiting: bool = False
    """Whether it waits for something to report, for longer than a moment."""
    is_lost: bool = False
    given_up: Stop | None = None
    """Why it alone is to stop, while others go on."""
    failures_before: dict[int, int] = field(default_factory=dict)
    """Failures in a row, by the number of the class, when another worker was first seen to be served meanwhile."""
    stop: Stop | None = None
    """The reason to stop that it was told."""
    is_closing: bool = False
    """Whether it was told that no row will come any more."""
    ended: EngineResult | None = None
    counters: Counters = field(default_factory=Counters)
    figures: Sequence[ClassFigures] = (ClassFigures(), ClassFigures())

    def tell(self) -> None:
        """There is something to tell the worker."""
        self.news.set()
        if self.is_waiting:
            self.is_waiting = False
            self.link.nudge()

    def adopt(self, row: Row) -> None:
        """It is to take over this row."""
        self.adopted.append(row)
        if row.state is State.TIMED_OUT:  # it has ended: it is only polled once more, and must not be queued
            self.rechecked.add(row.row)
        else:
            self.rows[row.row] = row

    def has(self, row: int) -> bool:
        """Whether it has this row, which no other worker may have."""
        return row in self.rows or row in self.rechecked

    @property
    def has_rows_to_submit(self) -> bool:
        """Whether it has a row that was not submitted, or is to be submitted again."""
        return any(row.state in {State.QUEUED, State.TIMED_OUT} for row in self.rows.values())

    @property
    def shown(self) -> WorkerFigures:
        """What `status` tells of it."""
        in_flight = 0 if self.is_lost else self.in_flight
        return WorkerFigures(
            self.name, self.link.host, self.link.pid, in_flight, self.counters.submissions, self.is_lost
        )

    @property
    def is_working(self) -> bool:
        """Whether it may still change a row."""
        return self.ended is None and not self.is_lost

    async def exchange(self, orders: Orders) -> Report:
        """Call the worker. Raises `WorkerLostError` if it does not answer in time."""
        self.is_waiting = orders.patience >= LONG
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(self._call(orders), name=f"call {self.name}")
            for _ in range(round((PATIENCE + orders.patience) / SLICE)):
                await asyncio.wait({calling}, timeout=SLICE)
                if calling.done():
                    break
            else:
                calling.cancel()
        self.is_waiting = False
        report = None if calling.cancelled() else calling.result()
        if report is None:
            raise WorkerLostError("it does not answer")
        if isinstance(report, WorkerLostError):
            raise report
        return report

    async def _call(self, orders: Orders) -> Report | WorkerLostError:
        try:
            return await self.link.exchange(orders)
        except WorkerLostError as error:
            return error
