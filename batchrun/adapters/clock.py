"""The wall clock."""

import time


class WallClock:
    """The machine's own clock; the one place that reads it."""

    def now(self) -> int:
        """UTC in whole milliseconds since 1970."""
        return time.time_ns() // 1_000_000
