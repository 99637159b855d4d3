"""When a running job will have ended, as far as the rows that ended so far can tell."""

MIN_ENDED = 10
"""Rows that must have ended in the session before an end is told."""


def seconds_left(remaining: int, ended: int, elapsed: float, idle: float) -> float | None:
    """Seconds until the `remaining` rows have ended, if they end as fast as `ended` rows did in `elapsed` seconds.

    `idle`: the seconds at the beginning of them in which no row could end, because the first runs were not over; with
    them counted, the first figures would be several times too long. None if too little has ended to tell.
    """
    working = elapsed - idle
    if not remaining:
        return 0.0
    return remaining * working / ended if ended and working > 0 and working >= idle / 2 else None
