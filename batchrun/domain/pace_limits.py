"""What held a job back, and for how long, as its time series tells."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum

from batchrun.domain.time_series import Interval, coarser

MIN_SECONDS, MIN_SUBMISSIONS = 3.0, 5.0
"""An interval shorter than this, or in which fewer submissions were allowed, does not show whether a rate was used."""

RATE_USED, PLACES_USED, RATE_CUT = 0.8, 0.95, 0.98
"""From these shares on, a rate counts as used up, the places in flight as taken, and a rate as not cut."""


class PaceLimit(StrEnum):
    """What held a job back."""

    OUTAGE = "outage"
    """The service was unavailable."""
    QUOTA = "quota"
    """The service answered 429: pauses, and a lower rate after them."""
    IN_FLIGHT = "in_flight"
    """All places in flight were taken (`--max-in-flight`)."""
    TOTAL = "total"
    """Submissions and polls together used up their common rate (`--total-rps`)."""
    RPS = "rps"
    """Submissions used up their rate (`--rps`)."""
    LAST_RUNS = "last_runs"
    """Everything was submitted; the last runs were waited for."""
    OTHER = "other"
    """No limit was reached."""


def seconds_by_limit(
    intervals: Sequence[Interval], max_in_flight: int, total_rate: float | None, rate: float = 0.0
) -> Mapping[PaceLimit, float]:
    """The seconds of one session by what held it back, the most first.

    `max_in_flight`, `total_rate`, `rate` (submissions a second): the limits of the job; no total rate: None.
    """
    intervals = _long_enough(intervals)
    seconds = defaultdict[PaceLimit, float](float)
    # A 429 within the first seconds cuts the rate before an interval has seen it whole. Without a 429 a rate below the
    # job's is one that the command was given.
    ceiling = rate if any(one.throttled for one in intervals) else 0.0
    ceiling = max(ceiling, *(one.allowed / one.seconds for one in intervals), 0.0)
    last = max((place for place, one in enumerate(intervals) if one.submissions), default=-1)
    for place, one in enumerate(intervals):
        limit = _limit_of(one, ceiling, max_in_flight, total_rate, is_last=place > last)
        seconds[limit] += one.seconds
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


def _limit_of(
    one: Interval, ceiling: float, max_in_flight: int, total_rate: float | None, *, is_last: bool
) -> PaceLimit:
    if one.outage_ms * 2 >= one.observed_ms > 0:
        return PaceLimit.OUTAGE
    is_used = one.submissions >= RATE_USED * one.allowed
    is_cut = one.allowed / one.seconds < RATE_CUT * ceiling
    if one.paused_ms * 2 >= one.observed_ms > 0 or (not is_last and is_cut and (is_used or one.throttled)):
        return PaceLimit.QUOTA
    if total_rate is not None and one.submissions + one.polls >= RATE_USED * total_rate * one.seconds:
        return PaceLimit.TOTAL
    if is_last:
        return PaceLimit.LAST_RUNS
    if is_used:
        return PaceLimit.RPS
    return PaceLimit.IN_FLIGHT if one.in_flight >= PLACES_USED * max_in_flight else PaceLimit.OTHER


def _long_enough(intervals: Sequence[Interval]) -> Sequence[Interval]:
    """Merge neighbours until most intervals are long enough for a rate."""

    def is_short(one: Interval) -> bool:
        return one.seconds < MIN_SECONDS or one.allowed < MIN_SUBMISSIONS

    while len(intervals) > 1 and is_short(max(intervals, key=lambda one: one.observed_ms)):
        intervals = coarser(intervals)
    return intervals
