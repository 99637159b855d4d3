"""The wall clock."""

import time


class WallClock:
    """The system clock. No other code reads it."""

    def now(self) -> int:
        """UTC milliseconds since 1970."""
        return time.time_ns() // 1_000_000
