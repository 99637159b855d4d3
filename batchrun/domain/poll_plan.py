"""When to poll a run, if it is known how long runs live.

A plan says, for every age at which a run was found at work, at which age to ask again. It is the cheapest one: of all
plans within the bounds it minimises the expected lag (from the end of a run to the poll that finds it) plus `price`
for every poll, by a dynamic programme from the oldest age to the youngest. The bounds hold whatever was learned, so
that a drift of the workload cannot strand a run: no interval is longer than the longest, none but the first longer
than `GUARD` times the one that a run of this age would have if intervals doubled, none shorter than the initial one.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from batchrun.domain.backoff import doubled
from batchrun.domain.survival import Survival

GUARD = 1.5
"""At 0.5, with which a drift costs the least, runs of two modes (3 s and 120 s) are polled so often in between that
little is gained over intervals that double; at 1.5 the gain is there, and a drift costs less than with those."""

NARROWED = 0.95
"""An interval at its bound is drawn from 90 to 100 % of it."""


@dataclass(frozen=True, slots=True)
class PollBounds:
    """`--poll-initial` and `--poll-max`, in seconds."""

    initial: float
    longest: float

    def longest_at(self, age: float) -> float:
        """The longest interval after a poll at this age; 0: the first one."""
        return min(self.longest, GUARD * (age + self.initial)) if age > 0 else self.longest


@dataclass(frozen=True, slots=True)
class PollPlan:
    """`targets[i]` is the age at which to poll after a poll at the age `ages[i]`.

    `polls` and `lag` are what is expected of a run: how often it is polled, and the seconds until its end is known.
    """

    ages: Sequence[float]
    targets: Sequence[float]
    polls: float
    lag: float

    def interval(self, age: float, bounds: PollBounds) -> float:
        """Seconds from a poll at this age (0: from acceptance) to the next, within the bounds."""
        longest = bounds.longest_at(age)
        place = bisect_right(self.ages, age)
        if place >= len(self.ages):  # older than all that was ever seen: nothing is known, so intervals double
            return min(age + bounds.initial, longest)
        below, above = self.ages[place - 1], self.ages[place]
        share = (age - below) / (above - below) if age > 0 else 0.0
        target = self.targets[place - 1] + share * (self.targets[place] - self.targets[place - 1])
        return min(max(target - age, bounds.initial), longest)


def plan(survival: Survival, bounds: PollBounds, price: float) -> PollPlan:
    """The cheapest plan if a poll costs as much as `price` seconds of lag."""
    ages, shares = survival.ages, survival.shares
    areas = _areas(survival)
    last = len(ages) - 1
    # For each age: the cost, the polls and the lag that are still to come, and the target. All but the last are in
    # expectation over all runs, those included that ended before.
    tail = shares[last]
    costs, polls = [0.0] * last + [tail * (2 * price + bounds.longest)], [0.0] * last + [2 * tail]
    lags, targets = [0.0] * last + [tail * bounds.longest], [0.0] * last + [ages[last] + bounds.longest]
    first = last
    for i in range(last - 1, -1, -1):
        age, share = ages[i], shares[i]
        nearest, farthest = age + bounds.initial, age + NARROWED * bounds.longest_at(age)
        while first > i + 1 and ages[first - 1] >= nearest:
            first -= 1
        best, chosen, j = float("inf"), first, first
        while j <= last and (j == first or ages[j] <= farthest):
            cost = ages[j] * share - ages[j] * shares[j] - (areas[j] - areas[i]) + costs[j]
            if cost < best:
                best, chosen = cost, j
            j += 1
        costs[i] = best + price * share
        polls[i] = polls[chosen] + share
        lags[i] = lags[chosen] + ages[chosen] * (share - shares[chosen]) - (areas[chosen] - areas[i])
        targets[i] = ages[chosen]
    return PollPlan(ages, targets, polls[0], lags[0])


def _areas(survival: Survival) -> list[float]:
    """The sum of the ages at which runs end, up to each age: what ends between two ages does so evenly."""
    areas = [0.0]
    for i in range(1, len(survival.ages)):
        ended = survival.shares[i - 1] - survival.shares[i]
        areas.append(areas[-1] + ended * (survival.ages[i - 1] + survival.ages[i]) / 2)
    return areas


def exponential(survival: Survival, bounds: PollBounds) -> PollPlan:
    """What is to be expected of intervals that double: the measure of every plan."""
    ages, shares = survival.ages, survival.shares
    areas = _areas(survival)
    age, before, polls, lag, count, place = 0.0, (1.0, 0.0), 0.0, 0.0, 0, 0
    while age < ages[-1]:
        polls += before[0]
        age += doubled(count, bounds.initial, bounds.longest)
        count += 1
        while place < len(ages) - 1 and ages[place + 1] <= age:
            place += 1
        now = (shares[-1], areas[-1])
        if place < len(ages) - 1:
            part = (age - ages[place]) / (ages[place + 1] - ages[place])
            share = shares[place] + part * (shares[place + 1] - shares[place])
            now = (share, areas[place] + (shares[place] - share) * (ages[place] + age) / 2)
        lag += age * (before[0] - now[0]) - (now[1] - before[1])
        before = now
    return PollPlan((), (), polls + 2 * shares[-1], lag + shares[-1] * bounds.longest)
