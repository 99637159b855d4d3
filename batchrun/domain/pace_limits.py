"""What held a job back, and for how long, as its time series tells."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from batchrun.domain.time_series import Interval, coarser, without_short_end

MIN_SUBMISSIONS = 8.0
"""An interval in which fewer submissions were allowed does not show whether a rate was used."""

RATE_USED, PLACES_USED, RATE_CUT = 0.8, 0.95, 0.98
"""From these shares on, a rate counts as used up, the places in flight as taken, and a rate as not cut."""

POLLS_USED = 0.9
"""From this share of `--poll-rps` on, the ends of runs are found as fast as polls are allowed."""

FEW = 0.2
"""Up to this share of the highest rate of the session, submissions are few: runs that are under way take the time."""


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
    SHARE = "share"
    """Submissions used up this job's share of a rate that several jobs keep together (`--share-limits`)."""
    POLLS = "polls"
    """Polls used up their rate (`--poll-rps`), and submissions did not use up theirs: ends were found late."""
    LAST_RUNS = "last_runs"
    """Nothing more was submitted; the last runs were waited for."""
    RUNS = "runs"
    """No limit was reached; runs were under way, and few rows were submitted."""
    OTHER = "other"
    """No limit was reached."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a job. Rates are requests a second; `total_rate` is None if it has none."""

    max_in_flight: int
    total_rate: float | None = None
    rate: float = 0.0
    """Of submissions."""
    poll_rate: float | None = None
    """None: there are no polls, or their rate is not known."""
    is_shared: bool = False
    """Whether other jobs use the same rates."""


@dataclass(frozen=True, slots=True)
class Pace:
    """A limit, and the submissions a second while it held the job back."""

    limit: PaceLimit
    rate: float


def seconds_by_limit(
    intervals: Sequence[Interval], limits: Limits, measured: Pace | None = None
) -> Mapping[PaceLimit, float]:
    """The seconds of one session by what held it back, the most first.

    `measured`: what held back submissions from the first one to the last, if that is known from elsewhere. It counts
    where they took so little time that no interval has submissions from its beginning to its end.
    """
    intervals = _long_enough(without_short_end(intervals))
    sent = [place for place, one in enumerate(intervals) if one.submissions]
    first, last = (sent[0], sent[-1]) if sent else (-1, -1)
    found = _judged(intervals, limits, last)
    seconds = defaultdict[PaceLimit, float](float)
    for place, (one, limit) in enumerate(zip(intervals, found, strict=True)):
        pace = None
        if place in {first, last} and limit in _NOT_OF_SUBMISSIONS:
            pace = _next_to(place, first, last, intervals, found) or (measured if last - first < 2 else None)
        # The first submission came some time after the beginning of this interval, or the last one before its end.
        taken = 0.0 if pace is None else min(one.seconds, one.submissions / pace.rate)
        if pace is not None and taken:
            seconds[pace.limit] += taken
            if place == last and limit in _UNLIMITED:
                limit = PaceLimit.LAST_RUNS  # noqa: PLW2901 - of the rest
        if taken < one.seconds:
            seconds[limit] += one.seconds - taken
    return dict(sorted(seconds.items(), key=lambda item: -item[1]))


_UNLIMITED = {PaceLimit.RUNS, PaceLimit.OTHER}
_NOT_OF_SUBMISSIONS = {*_UNLIMITED, PaceLimit.POLLS}
_OF_SUBMISSIONS = {PaceLimit.QUOTA, PaceLimit.TOTAL, PaceLimit.RPS, PaceLimit.SHARE}


def _next_to(
    place: int, first: int, last: int, intervals: Sequence[Interval], found: Sequence[PaceLimit]
) -> Pace | None:
    """What held back submissions in the interval before the last one with any, or after the first one."""
    beside = place + 1 if place == first else place - 1
    if not first <= beside <= last:
        return None
    one, limit = intervals[beside], found[beside]
    if limit in _OF_SUBMISSIONS or (limit is PaceLimit.IN_FLIGHT and place == last and one.submissions):
        return Pace(limit, max(one.submissions, 1) / one.seconds)
    return None


def _judged(intervals: Sequence[Interval], limits: Limits, last: int) -> list[PaceLimit]:
    """What held back each interval as a whole. `last`: the last one with submissions."""
    highest = max((one.submissions / one.seconds for one in intervals), default=0.0)

    def limit_of(one: Interval, *, is_cut: bool, is_last: bool) -> PaceLimit:
        if one.outage_ms * 2 >= one.observed_ms > 0:
            return PaceLimit.OUTAGE
        is_used = one.submissions >= RATE_USED * one.allowed
        if one.paused_ms * 2 >= one.observed_ms > 0 or (not is_last and is_cut and (is_used or one.throttled)):
            return PaceLimit.QUOTA
        total = limits.total_rate
        if total is not None and one.submissions + one.polls >= RATE_USED * total * one.seconds:
            return PaceLimit.TOTAL
        if is_used and not is_last:
            is_part = limits.is_shared and one.allowed < RATE_CUT * limits.rate * one.seconds
            return PaceLimit.SHARE if is_part else PaceLimit.RPS
        if limits.poll_rate is not None and one.polls >= POLLS_USED * limits.poll_rate * one.seconds:
            return PaceLimit.POLLS  # also if all places are taken: runs that have ended take some until that is found
        if is_last:
            return PaceLimit.LAST_RUNS
        if one.in_flight >= PLACES_USED * limits.max_in_flight:
            return PaceLimit.IN_FLIGHT
        is_few = one.submissions <= FEW * highest * one.seconds
        return PaceLimit.RUNS if one.in_flight and is_few else PaceLimit.OTHER

    cuts = _cuts(intervals, limits)
    return [limit_of(one, is_cut=cuts[place], is_last=place > last) for place, one in enumerate(intervals)]


def _cuts(intervals: Sequence[Interval], limits: Limits) -> list[bool]:
    """Whether the rate of each interval was cut after a 429."""
    rates = [one.allowed / one.seconds for one in intervals]
    if not any(one.throttled or one.paused_ms for one in intervals):
        return [False] * len(rates)  # a lower rate is one that the command was given, or a share (`--share-limits`)
    if not limits.is_shared:
        # A 429 within the first seconds cuts the rate before an interval has seen it whole.
        ceiling = max(limits.rate, *rates)
        return [rate < RATE_CUT * ceiling for rate in rates]
    # The share also changes without a 429. A rate is cut from a 429 until it is what it was before.
    found, is_cut, before = list[bool](), False, 0.0
    for one, rate in zip(intervals, rates, strict=True):
        if one.throttled:
            is_cut, before = True, before or rate
        elif rate >= RATE_CUT * before or not is_cut:
            is_cut, before = False, rate
        found.append(is_cut)
    return found


def _long_enough(intervals: Sequence[Interval]) -> Sequence[Interval]:
    """Merge neighbours until most intervals are long enough for a rate."""
    while len(intervals) > 1 and max(intervals, key=lambda one: one.observed_ms).allowed < MIN_SUBMISSIONS:
        intervals = coarser(intervals)
    return intervals
