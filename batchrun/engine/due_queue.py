"""What is due when: a heap in which an item can be moved."""

import heapq
from collections.abc import Callable
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")

SLACK = 64
"""So many entries that were moved or taken away may stay in the heap, or as many as there are others."""


class DueQueue(Generic[T]):
    """Items by the time at which they are due, each at most once, under the key that names it."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, int]] = []
        self._items: dict[int, tuple[int, T]] = {}
        self._order = count()

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, key: int) -> bool:
        return key in self._items

    def put(self, key: int, item: T, due: float) -> None:
        """Let the item of this key be due then, whenever it was due before."""
        order = next(self._order)
        self._items[key] = (order, item)
        heapq.heappush(self._heap, (due, order, key))
        if len(self._heap) > 2 * len(self._items) + SLACK:
            self._heap = [entry for entry in self._heap if self._holds(entry)]
            heapq.heapify(self._heap)

    def remove(self, key: int) -> None:
        """Forget the item of this key, if there is one."""
        self._items.pop(key, None)

    def next_due(self) -> float | None:
        """When the first item is due; None where there is none."""
        heap = self._heap
        while heap and not self._holds(heap[0]):
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def take(self) -> T:
        """Take the first item away; raises IndexError where there is none."""
        while not self._holds(entry := heapq.heappop(self._heap)):
            pass
        return self._items.pop(entry[2])[1]

    def reschedule(self, due: Callable[[T], float]) -> None:
        """Ask of every item anew when it is due."""
        self._heap = [(due(item), order, key) for key, (order, item) in self._items.items()]
        heapq.heapify(self._heap)

    def _holds(self, entry: tuple[float, int, int]) -> bool:
        item = self._items.get(entry[2])
        return item is not None and item[0] == entry[1]
