"""Entries that are not on disk yet, and whoever waits for them: for one entry, or for many at once."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from batchrun.adapters.checkpoint.entries import AnyEntry

Results: TypeAlias = Sequence[Exception | None]
"""For each of many entries, None if it is on disk, or the error that refused it."""


@dataclass(frozen=True, slots=True)
class BatchWaiter:
    """One future for many entries, which follow each other."""

    size: int
    done: "asyncio.Future[Results]"


Waiter: TypeAlias = "asyncio.Future[None] | BatchWaiter | None"
"""Who waits for one entry, or for those of a batch."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Entries that are not on disk yet, and those who wait for them, in the same order."""

    entries: list[AnyEntry] = field(default_factory=list)
    waiters: list[Waiter] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.entries)

    def add(self, entries: Iterable[AnyEntry], waiters: Iterable[Waiter]) -> None:
        """Add entries."""
        self.entries.extend(entries)
        self.waiters.extend(waiters)

    def settle(self, results: Results) -> None:
        """The entries are on disk, but for those with an error. Raises the first error for which nobody waits."""
        unawaited: list[Exception] = []
        position = 0
        for waiter in self.waiters:
            if isinstance(waiter, BatchWaiter):
                if not waiter.done.done():
                    waiter.done.set_result(results[position : position + waiter.size])
                position += waiter.size
                continue
            result = results[position]
            position += 1
            if waiter is None:
                unawaited += [] if result is None else [result]
            elif waiter.done():
                pass  # the caller was cancelled; the entry is on disk
            elif result is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(result)
        if unawaited:
            raise unawaited[0]

    def fail(self, error: Exception) -> None:
        """Nothing more is written: all who wait get the error."""
        for waiter in self.waiters:
            done = waiter.done if isinstance(waiter, BatchWaiter) else waiter
            if done is not None and not done.done():
                done.set_exception(error)
