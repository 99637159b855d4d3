"""The wall clock."""

import time


class WallClock:
    """The system clock. No other code reads it."""

    def now(self) -> int:
        """UTC milliseconds since 1970."""
        return time.time_ns() // 1_000_000


def boottime() -> float:
    """Seconds of a clock that also runs while the machine sleeps, where there is one (on Linux)."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
