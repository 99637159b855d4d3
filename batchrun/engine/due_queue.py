"""A priority queue by due time in which items can be rescheduled."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")

MAX_STALE = 64
"""Stale entries (of moved or removed items) may stay in the heap: as many as there are items, plus this many."""


class DueQueue(Generic[T]):
    """Items ordered by due time. Each key has at most one item."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int]] = []
        self._items: dict[int, tuple[int, T]] = {}
        self._order = count()

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: int) -> bool:
        return key in self._items

    def put(self, key: int, item: T, due: float) -> None:
        """Add the item with this key, or replace it, with this due time."""
        order = next(self._order)
        self._items[key] = (order, item)
        heapq.heappush(self._heap, (due, order, key))
        if len(self._heap) > 2 * len(self._items) + MAX_STALE:
            self._heap = [entry for entry in self._heap if self._is_current(entry)]
            heapq.heapify(self._heap)

    def remove(self, key: int) -> None:
        """Remove the item with this key, if there is one."""
        self._items.pop(key, None)

    def next_due(self) -> float | None:
        """The due time of the first item; None if the queue is empty."""
        heap = self._heap
        while heap and not self._is_current(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def take(self) -> T:
        """Remove and return the first item. Raises IndexError if the queue is empty."""
        while not self._is_current(entry := heapq.heappop(self._heap)):
            pass
        return self._items.pop(entry[2])[1]

    def due(self, now: float) -> list[tuple[float, T]]:
        """The items that are due at `now`, in order, each with its due time."""
        entries = sorted(entry for entry in self._heap if entry[0] <= now and self._is_current(entry))
        return [(due, self._items[key][1]) for due, _, key in entries]

    def reschedule(self, due: Callable[[T], float]) -> None:
        """Set the due time of every item to `due(item)`."""
        self._heap = [(due(item), order, key) for key, (order, item) in self._items.items()]
        heapq.heapify(self._heap)

    def _is_current(self, entry: tuple[float, int, int]) -> bool:
        item = self._items.get(entry[2])
        return item is not None and item[0] == entry[1]
