"""Whoever waits until an entry is on disk: for one entry, or for many at once."""

import asyncio
from collections.abc import Sequence
from typing import TypeAlias

Results: TypeAlias = Sequence[Exception | None]
"""For each of many entries, None if it is on disk, or the error that refused it."""


class Batch:
    """Many entries with one future."""

    def __init__(self, size: int, done: "asyncio.Future[Results]") -> None:
        self.done = done
        self._results: list[Exception | None] = [None] * size
        self._left = size

    def settle(self, position: int, result: Exception | None) -> None:
        """The entry at `position` is on disk, or was refused."""
        self._results[position] = result
        self._left -= 1
        if not self._left and not self.done.done():
            self.done.set_result(self._results)


Waiter: TypeAlias = "asyncio.Future[None] | tuple[Batch, int] | None"
"""Who waits for one entry: its own future, or its place in a batch."""


def settle(waiters: Sequence[Waiter], results: Results) -> None:
    """The entries are on disk, but for those with an error. Raises the first error for which nobody waits."""
    unawaited: list[Exception] = []
    for waiter, result in zip(waiters, results, strict=True):
        if waiter is None:
            unawaited += [] if result is None else [result]
        elif isinstance(waiter, tuple):
            batch, position = waiter
            batch.settle(position, result)
        elif waiter.done():
            pass  # the caller was cancelled; the entry is on disk
        elif result is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(result)
    if unawaited:
        raise unawaited[0]


def fail(waiters: Sequence[Waiter], error: Exception) -> None:
    """Nothing more is written: all who wait get the error."""
    for waiter in waiters:
        done = waiter[0].done if isinstance(waiter, tuple) else waiter
        if done is not None and not done.done():
            done.set_exception(error)
