"""What happened in a session over time, in bounded space.

A session is divided into intervals of equal width, one second at first. When there are too many of them, neighbours are
merged and the width doubles: ten hours, or ten days, take no more space than ten minutes.
"""

from collections.abc import Sequence
from itertools import groupby

from batchrun.domain.frozen import Frozen, copied

MAX_INTERVALS = 600
"""Intervals of one session."""

HEARTBEAT = 5.0
"""Seconds after which a session records what it counted, even if no row changed."""

MIN_OBSERVED_MS = 500
"""The last interval of a session is merged with the one before if it is shorter, as its rate would be chance."""

MAX_OF_ALL_SESSIONS = 3000
"""Intervals of all earlier sessions together. Beyond that they are merged; each session keeps at least one."""


class Interval(Frozen, frozen=True):
    """What happened in one interval of a session. Durations are in milliseconds.

    Counts of rows are differences, so they are negative if more rows left a state than entered it.
    """

    at: int
    """When it began (UTC milliseconds)."""
    observed_ms: int = 0
    """How long it was observed: shorter than the others at the end of a session."""
    submissions: int = 0
    polls: int = 0
    throttled: int = 0
    """429 answers."""
    completed: int = 0
    """Rows that completed, without reused ones."""
    failed: int = 0
    timed_out: int = 0
    in_flight: int = 0
    """Runs in flight when it ended, POSTs without an answer included; the most of them where seconds are joined."""
    allowed: float = 0.0
    """Submissions that the rate limit allowed: the sum of rate × seconds. Pauses and outages are not subtracted."""
    paused_ms: int = 0
    """How long a 429 answer kept submissions from being sent."""
    outage_ms: int = 0
    """How long the circuit breaker was open."""

    @property
    def seconds(self) -> float:
        """How long it was observed, in seconds; never 0."""
        return max(self.observed_ms, 1) / 1000

    @property
    def ended(self) -> int:
        """Rows that ended."""
        return self.completed + self.failed + self.timed_out


_SUMS = tuple(name for name in Interval.__struct_fields__ if name not in {"at", "in_flight"})


def merged(first: Interval, *others: Interval) -> Interval:
    """Several intervals as one: counts and durations are added, and of `in_flight` the most is kept."""
    every = (first, *others)
    sums = {name: sum(getattr(one, name) for one in every) for name in _SUMS}
    return Interval(first.at, in_flight=max(one.in_flight for one in every), **sums)


def coarser(intervals: Sequence[Interval]) -> list[Interval]:
    """Half as many intervals, each of them two neighbours merged."""
    return [merged(*intervals[start : start + 2]) for start in range(0, len(intervals), 2)]


def without_short_end(intervals: Sequence[Interval]) -> list[Interval]:
    """The intervals of a session, the last one merged with the one before if it is short (`MIN_OBSERVED_MS`)."""
    if len(intervals) > 1 and intervals[-1].observed_ms < MIN_OBSERVED_MS:
        return [*intervals[:-2], merged(*intervals[-2:])]
    return list(intervals)


class TimeSeries:
    """The intervals of a session that began at `started_at` (UTC milliseconds); never more than `most`."""

    def __init__(self, started_at: int, most: int = MAX_INTERVALS) -> None:
        self._started_at = started_at
        self._most = most
        self._width = 1
        self._intervals: list[Interval] = []

    @property
    def width(self) -> int:
        """The width of an interval, in seconds."""
        return self._width

    @property
    def intervals(self) -> tuple[Interval, ...]:
        """The intervals in which something was added, in order."""
        return tuple(self._intervals)

    def add(self, seconds: float, observed: Interval) -> None:
        """Add what was observed from `seconds` after the start on; its `at` is ignored.

        What comes later belongs to the same or a later interval, also if `seconds` is smaller than before.
        """
        while seconds >= self._most * self._width:
            self._widen()
        at = self._started_at + int(seconds // self._width) * self._width * 1000
        last = self._intervals[-1] if self._intervals else None
        if last is not None and at <= last.at:
            self._intervals[-1] = merged(last, observed)
        else:
            self._intervals.append(copied(observed, at=at))

    def _widen(self) -> None:
        self._width *= 2
        step = self._width * 1000
        groups = groupby(self._intervals, lambda one: (one.at - self._started_at) // step)
        self._intervals = [copied(merged(*group), at=self._started_at + index * step) for index, group in groups]
