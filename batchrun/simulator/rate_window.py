"""Rate limits and peak rates of the simulated service, by arrival time."""

import math
from bisect import insort
from collections import deque

from batchrun.domain.sliding_window import window


class PeakCounter:
    """Counts arrivals: their total, and the largest number in any half-open second."""

    def __init__(self) -> None:
        self.total = 0
        self.peak = 0
        self._recent: deque[float] = deque()

    def add(self, arrived: float) -> None:
        """Count an arrival; `arrived` is in seconds of any clock.

        Arrivals may be reported out of order, since reading a request body takes time.
        """
        recent = self._recent
        if not recent or arrived >= recent[-1]:
            recent.append(arrived)
        else:
            insort(recent, arrived)
        while recent[-1] - recent[0] >= 1:
            recent.popleft()
        self.total += 1
        self.peak = max(self.peak, len(recent))


class Quota:
    """The service's rate limit: ⌈rate⌉ requests in any half-open second.

    For a rate below 1 it is one request in any 1/rate seconds. None: no limit.
    """

    def __init__(self, rate: float | None) -> None:
        self._limit = math.inf if rate is None else math.ceil(rate)
        self._span = 1.0 if rate is None else window(rate)
        self._accepted: deque[float] = deque()

    def has_room(self, arrived: float) -> bool:
        """Whether a request arriving at `arrived` (seconds) is within the limit."""
        if self._limit == math.inf:
            return True
        accepted = self._accepted
        while accepted and arrived - accepted[0] >= self._span:
            accepted.popleft()
        return len(accepted) < self._limit

    def add(self, arrived: float) -> None:
        """Count an accepted request."""
        if self._limit != math.inf:
            self._accepted.append(arrived)


def take_all(arrived: float, *quotas: Quota) -> bool:
    """Whether a request is within all the limits. If so, it counts in each; a refused request counts in none."""
    if not all(quota.has_room(arrived) for quota in quotas):
        return False
    for quota in quotas:
        quota.add(arrived)
    return True
