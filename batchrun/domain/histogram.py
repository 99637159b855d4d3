"""A distribution of any number of durations in bounded space: counts of buckets whose width grows with the duration."""

import math
from collections import Counter

PRECISION = 1.02
"""The end of a bucket as a multiple of its beginning: quantiles are within 2 %."""

SMALLEST = 0.001
"""Shorter durations, in seconds, are in the first bucket."""

_LOG = math.log(PRECISION)


class Histogram:
    """Counts durations in seconds. Negative ones, from clocks that differ, count as 0."""

    def __init__(self) -> None:
        self._counts = Counter[int]()
        self.n = 0
        """How many durations were added."""
        self.largest = 0.0
        """The longest duration."""

    def add(self, seconds: float) -> None:
        """Add one duration."""
        self.n += 1
        self.largest = max(self.largest, seconds)
        self._counts[0 if seconds < SMALLEST else 1 + int(math.log(seconds / SMALLEST) / _LOG)] += 1

    def quantile(self, share: float) -> float | None:
        """A duration that about `share` (0 to 1) of all do not exceed; None if there are none."""
        if not self.n:
            return None
        left = max(1, math.ceil(share * self.n - 1e-9))
        for bucket in sorted(self._counts):
            left -= self._counts[bucket]
            if left <= 0:
                return min(_end(bucket), self.largest) if bucket else 0.0
        return self.largest  # pragma: no cover - the counts add up to n

    def bars(self, most: int = 30) -> list[tuple[float, float, int]]:
        """At most `most` neighbouring bars that hold all durations: begin, end and count of each."""
        if not self.n:
            return []
        first, last = min((bucket for bucket in self._counts if bucket), default=1), max(self._counts)
        bars = [(0.0, _end(first - 1), self._counts[0])] if self._counts[0] else []
        width = max(1, -(-(last - first + 1) // (most - 1)))
        for start in range(first, last + 1, width):
            count = sum(self._counts[bucket] for bucket in range(start, start + width))
            bars.append((_end(start - 1), _end(start + width - 1), count))
        return bars


def _end(bucket: int) -> float:
    return SMALLEST * math.exp(_LOG * bucket)
