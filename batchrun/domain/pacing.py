"""What a bucket must look like so that no second ever sees more than the limit.

A window of one second can see the whole bucket and what leaks during it. Hence `AsyncLimiter(N, 1)` lets 2N-1 through
in its first second, and again after every pause, and a bucket of one would be exact. But timers wake a little late,
and a bucket of one forgets what it missed: the rate would fall short, the more so the higher it is. So the bucket has
room for what leaks in `LATE` seconds more. The leak is slower than the limit by `MARGIN`: requests that left evenly do
not arrive quite evenly, and it is the service that counts. Together they leave 16 ms of unevenness at any rate.
"""

from dataclasses import dataclass

LATE = 0.004
MARGIN = 0.02
LARGEST = 5.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """`size` requests at once at the most, `leak` requests a second in the long run."""

    size: float
    leak: float

    @property
    def period(self) -> float:
        """Seconds in which a full bucket runs empty."""
        return self.size / self.leak


def bucket(rate: float) -> Bucket:
    """The bucket for at most ⌈rate⌉ requests in any half-open second (below 1: one in any 1/rate seconds)."""
    return Bucket(min(LARGEST, 1.0 + LATE * rate), rate * (1.0 - MARGIN))


def window(rate: float) -> float:
    """Seconds over which the limit is counted."""
    return 1.0 if rate >= 1 else 1.0 / rate
