"""What a bucket must look like so that no second ever sees more than the limit.

A window of one second can see the whole bucket and what leaks during it: bucket + leak. Hence `AsyncLimiter(N, 1)`
lets 2N-1 through in its first second, and so it does after every pause. Below 100/s a bucket of one and an interval a
little longer than 1/N is exact. Above, timers are too coarse for one token at a time: a bucket of a few, and a leak
that leaves room for them. The margin (2 to 3 %) is for the path to the service: requests that left evenly do not
arrive quite evenly, and it is the service that counts.
"""

import math
from dataclasses import dataclass

SLOW = 100.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """`size` requests at once at the most, `leak` requests a second in the long run."""

    size: int
    leak: float

    @property
    def period(self) -> float:
        """Seconds in which a full bucket runs empty."""
        return self.size / self.leak


def bucket(rate: float) -> Bucket:
    """The bucket for at most ⌈rate⌉ requests in any half-open second (below 1: one in any 1/rate seconds)."""
    if rate <= SLOW:
        return Bucket(1, rate / 1.02)
    size = max(2, min(5, math.floor(rate * 0.005)))
    return Bucket(size, min(rate - size, 0.975 * rate))


def window(rate: float) -> float:
    """Seconds over which the limit is counted."""
    return 1.0 if rate >= 1 else 1.0 / rate
