"""When a running job will have ended, as far as the rows that ended so far can tell.

The rest of a job is the time until the last row is submitted, and then a tail: the time until the last run has ended.
The tail follows from the durations of the runs that ended. With `s` submissions a second, `s` times the mean of
`max(duration - u, 0)` runs are still under way `u` seconds after the last submission; the last run ends about when that
number falls below `LAST`.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

MIN_ENDED = 10
"""Rows that must have ended in the session before an end is told."""

POINTS = 100
"""About half of the durations that are computed with; the other half are the longest."""

SIGNIFICANT, STRAGGLERS = 2.0, 0.02
"""Runs under way beyond the expected number count if they exceed these standard deviations and this share of all."""

HIGH, HIGHER = 0.9, 0.99
"""The quantiles through which a log-normal tail is laid, which replaces the durations above the second one."""
_Z_HIGH, _Z_HIGHER = 1.2816, 2.3263

MIN_SIGMA = 0.01

LONGEST, OLDER = 8.0, 3.0
"""The exponents of the Pareto distributions of a run that takes longer than any that ended, and of those that take
longer than can be known yet: the longer they have taken, the longer they will."""

LAST = math.log(2)
"""With this many runs expected to be under way, it is as likely as not that all have ended."""

MAX_UNKNOWN = 0.25
"""If a larger share of the runs takes longer than can be known yet, the end of a tail is not told."""

OBSERVABLE = (0.3, 0.1, 0.03)
"""A duration is taken as known if at least so large a part of the runs of that duration can have ended. The largest of
these parts counts with which half of the ended runs are known."""


@dataclass(frozen=True, slots=True)
class Submitting:
    """When the runs of this session began. Times are in seconds."""

    lasted: float
    """From the first submission of the session to the last one so far."""
    ago: float
    """Since the last submission."""
    history: Sequence[tuple[float, float]] = ()
    """Times before now, descending, and the share of all submissions that had been sent by then; empty: evenly."""

    def share_before(self, ago: float) -> float:
        """The share of the submissions that were sent at least so long ago."""
        if not self.history:
            return min(1.0, max(0.0, (self.lasted + self.ago - ago) / max(self.lasted, 1e-3)))
        index = bisect_right(self.history, -ago, key=lambda point: -point[0])
        if index == len(self.history):
            return 1.0
        then, share = self.history[index]
        before, less = self.history[index - 1] if index else (self.lasted + self.ago, 0.0)
        return less + (share - less) * min(1.0, max(0.0, (before - ago) / max(before - then, 1e-9)))

    def time_of(self, share: float) -> float:
        """How long ago this share of them had been sent."""
        if not self.history:
            return self.lasted * (1 - share) + self.ago
        return next((ago for ago, sent in self.history if sent >= share), self.ago)


class Durations:
    """How long runs take, from submission to result, estimated from those that have ended.

    Soon after the start only short runs have ended. A run of duration `d` can have ended only if it began at least `d`
    ago, so it stands for all that began since, too. If the runs under way are more than this accounts for, the others
    take longer than the session has lasted so far.
    """

    def __init__(self, ended: Sequence[float], count: int, running: int, began: Submitting) -> None:
        """`ended`: a sorted sample of the durations of `count` runs that ended; `running`: runs that have not."""
        sample, units = _thinned(ended)
        known = began.share_before(ended[len(ended) // 2])
        least = next((part for part in OBSERVABLE if part <= known), 0.0)
        horizon = began.time_of(least)
        parts = [part if (part := began.share_before(duration)) >= least else 0.0 for duration in sample]
        unit = count / len(ended)
        weights = [unit * each / part if part > 0 else 0.0 for each, part in zip(units, parts, strict=True)]
        stood_for = sum(weights)
        if not stood_for:
            weights, stood_for = [unit * each for each in units], float(count)
        deviation = math.sqrt(sum(w * (1 / part - 1) for w, part in zip(weights, parts, strict=True) if part > 0))
        doubtful = SIGNIFICANT * deviation + STRAGGLERS * (count + running)
        surplus = max(0.0, count + running - stood_for - doubtful)
        total = max(count + running, stood_for) + 1
        self.median, self._longest = ended[len(ended) // 2], max(ended[-1], 1e-3)
        self._share_longest = 1 / total  # no sample holds the longest
        self._share_older, self._older = surplus / total, max(horizon, 1e-3)
        self._share_known = (total - 1 - surplus) / total
        sums = [*accumulate(weights)]
        high, self._high = (max(sample[_place(sums, share)], 1e-3) for share in (HIGH, HIGHER))
        self._sigma = max(MIN_SIGMA, math.log(self._high / high) / (_Z_HIGHER - _Z_HIGH))
        self._mu = math.log(self._high) - _Z_HIGHER * self._sigma
        self._sample = [min(duration, self._high) for duration in sample]
        shares = [weight * self._share_known / stood_for for weight in weights]
        parts = [share * duration for share, duration in zip(shares, self._sample, strict=True)]
        self._shares, self._parts = ([*accumulate(reversed(one), initial=0.0)][::-1] for one in (shares, parts))

    @property
    def is_tail_known(self) -> bool:
        """Whether the length of the tail can be estimated. Soon after the start, only the shortest runs have ended."""
        return self._share_older <= MAX_UNKNOWN

    def excess(self, age: float) -> float:
        """The mean of `max(duration - age, 0)`; the mean duration at age 0."""
        index = bisect_right(self._sample, age)
        return (
            max(0.0, self._parts[index] - age * self._shares[index])
            + self._share_known * self._excess_of_tail(max(age, self._high))
            + self._share_longest * _pareto_excess(age, self._longest, LONGEST)
            + self._share_older * _pareto_excess(age, self._older, OLDER)
        )

    def _excess_of_tail(self, age: float) -> float:
        mu, sigma = self._mu, self._sigma
        above = (mu - math.log(age)) / sigma
        return math.exp(mu + sigma * sigma / 2) * _normal(above + sigma) - age * _normal(above)


def _normal(z: float) -> float:
    return math.erfc(-z / math.sqrt(2)) / 2


def _pareto_excess(age: float, least: float, exponent: float) -> float:
    """The mean of `max(duration - age, 0)` if durations are at least `least`, with this exponent."""
    if age < least:
        return least - age + least / (exponent - 1)
    return float((least / age) ** exponent * age / (exponent - 1))


def _place(sums: Sequence[float], share: float) -> int:
    """The index up to which this share of the last sum is reached."""
    return min(bisect_left(sums, share * sums[-1]), len(sums) - 1)


def _thinned(ended: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Some of the durations, the longest ones all, and how many each stands for."""
    if len(ended) <= 2 * POINTS:
        return ended, [1.0] * len(ended)
    others = ended[:-POINTS]
    step = len(others) // POINTS
    some = others[step // 2 :: step]
    return [*some, *ended[-POINTS:]], [len(others) / len(some)] * len(some) + [1.0] * POINTS


def submission_rate(durations: Durations, recent: float, max_in_flight: int) -> float:
    """The rate at which rows will be submitted: as recently, if `max_in_flight` runs can be as many in the long run."""
    return min(recent, max_in_flight / max(durations.excess(0.0), 1e-9))


def tail(durations: Durations, rate: float, lasted: float) -> float:
    """Seconds from the last submission until all runs have ended, after submissions at this rate for this time."""
    left = _time_until_last(lambda after: rate * (durations.excess(after) - durations.excess(after + lasted)))
    return max(left, durations.median)


def rest_of_tail(durations: Durations, running: int, began: Submitting) -> float:
    """Seconds until the last of these runs has ended, if no row is left to be submitted."""
    lasted = max(began.lasted, 1e-3)

    def alive(after: float) -> float:
        return durations.excess(began.ago + after) - durations.excess(began.ago + after + lasted)

    now = max(alive(0.0), 1e-300)
    return _time_until_last(lambda after: running * alive(after) / now)


def _time_until_last(expected: Callable[[float], float]) -> float:
    """The time after which the expected number of runs under way is `LAST`."""
    low, high = 0.0, 1.0
    while expected(high) > LAST and high < 1e9:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if expected(middle) > LAST else (low, middle)
    return high
