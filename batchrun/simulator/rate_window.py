"""What the service counts: requests by the time they arrive."""

import math
from bisect import insort
from collections import deque

from batchrun.domain.sliding_window import window


class Peak:
    """The largest number of arrivals in any half-open second, and how many there were in all."""

    def __init__(self) -> None:
        self.total = 0
        self.most = 0
        self._recent: deque[float] = deque()

    def add(self, arrived: float) -> None:
        """Count one, in seconds of any clock. One that is reported late (its body took time) is put in its place."""
        recent = self._recent
        if not recent or arrived >= recent[-1]:
            recent.append(arrived)
        else:
            insort(recent, arrived)
        while recent[-1] - recent[0] >= 1:
            recent.popleft()
        self.total += 1
        self.most = max(self.most, len(recent))


class Quota:
    """A limit as the service keeps it: ⌈rate⌉ in any half-open second; below 1, one in any 1/rate seconds."""

    def __init__(self, rate: float | None) -> None:
        self._limit = math.inf if rate is None else math.ceil(rate)
        self._span = 1.0 if rate is None else window(rate)
        self._taken: deque[float] = deque()

    def take(self, arrived: float) -> bool:
        """Whether a request that arrived then is within the limit. One that is not does not count against the next."""
        if self._limit == math.inf:
            return True
        taken = self._taken
        while taken and arrived - taken[0] >= self._span:
            taken.popleft()
        if len(taken) >= self._limit:
            return False
        taken.append(arrived)
        return True
