"""Plans when to poll a run, given the distribution of run durations.

For every age at which a poll finds a run still running, a plan gives the age of the next poll. It is the cheapest plan
within the bounds: it minimises the expected lag (from the end of a run to the poll that finds it) plus `price` seconds
for every poll, by dynamic programming from the highest age to the lowest. The bounds hold for every distribution, so
that a run is still found in time when the workload changes: no interval is longer than the longest interval; no
interval but the first is longer than `GUARD` times the one that doubling would give at this age; and none is shorter
than the initial interval.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from batchrun.domain.backoff import doubled
from batchrun.domain.duration_survival import Survival

GUARD = 1.5
"""The longest interval after a poll, as a multiple of the run's age plus the initial interval.

A lower value limits the lag after the workload changes. A higher value saves polls if the durations have several modes,
because fewer polls fall between the modes."""

NARROWED = 0.95
"""The plan assumes this share of an upper bound, because `spread` draws an interval at its bound from 90 to 100 %."""


@dataclass(frozen=True, slots=True)
class PollBounds:
    """`--poll-initial` and `--poll-max`, in seconds."""

    initial: float
    longest: float

    def longest_at(self, age: float) -> float:
        """The longest interval after a poll at this age, in seconds. Age 0: before the first poll."""
        return min(self.longest, GUARD * (age + self.initial)) if age > 0 else self.longest


@dataclass(frozen=True, slots=True)
class PollPlan:
    """`targets[i]` is the age of the next poll after a poll at age `ages[i]`, both in seconds.

    `polls` and `lag` are expected values per run: the number of polls, and the seconds from the end of the run to the
    poll that finds it.
    """

    ages: Sequence[float]
    targets: Sequence[float]
    polls: float
    lag: float

    def interval(self, age: float, bounds: PollBounds) -> float:
        """Seconds from a poll at this age (0: from acceptance) to the next poll, within the bounds."""
        longest = bounds.longest_at(age)
        index = bisect_right(self.ages, age)
        if index >= len(self.ages):  # older than any observed run: double the interval
            return min(age + bounds.initial, longest)
        below, above = self.ages[index - 1], self.ages[index]
        share = (age - below) / (above - below) if age > 0 else 0.0
        target = self.targets[index - 1] + share * (self.targets[index] - self.targets[index - 1])
        return min(max(target - age, bounds.initial), longest)


def plan(survival: Survival, bounds: PollBounds, price: float) -> PollPlan:
    """The cheapest plan if each poll costs as much as `price` seconds of lag."""
    ages, shares = survival.ages, survival.shares
    age_sums = _age_sums(survival)
    last = len(ages) - 1
    # For each age: the remaining cost, polls and lag, and the age of the next poll. All but the last are expected
    # values over all runs, including those that ended before this age.
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
            cost = ages[j] * share - ages[j] * shares[j] - (age_sums[j] - age_sums[i]) + costs[j]
            if cost < best:
                best, chosen = cost, j
            j += 1
        costs[i] = best + price * share
        polls[i] = polls[chosen] + share
        lags[i] = lags[chosen] + ages[chosen] * (share - shares[chosen]) - (age_sums[chosen] - age_sums[i])
        targets[i] = ages[chosen]
    return PollPlan(ages, targets, polls[0], lags[0])


def _age_sums(survival: Survival) -> list[float]:
    """For each age: the expected sum of the ages at which runs have ended by then.

    Runs that end between two ages are assumed to end evenly spread between them.
    """
    age_sums = [0.0]
    for i in range(1, len(survival.ages)):
        ended = survival.shares[i - 1] - survival.shares[i]
        age_sums.append(age_sums[-1] + ended * (survival.ages[i - 1] + survival.ages[i]) / 2)
    return age_sums


def exponential(survival: Survival, bounds: PollBounds) -> PollPlan:
    """The expected polls and lag of intervals that double. Plans are compared with this baseline."""
    ages, shares = survival.ages, survival.shares
    age_sums = _age_sums(survival)
    age, previous, polls, lag, count, index = 0.0, (1.0, 0.0), 0.0, 0.0, 0, 0
    while age < ages[-1]:
        polls += previous[0]
        age += doubled(count, bounds.initial, bounds.longest)
        count += 1
        while index < len(ages) - 1 and ages[index + 1] <= age:
            index += 1
        current = (shares[-1], age_sums[-1])
        if index < len(ages) - 1:
            part = (age - ages[index]) / (ages[index + 1] - ages[index])
            share = shares[index] + part * (shares[index + 1] - shares[index])
            current = (share, age_sums[index] + (shares[index] - share) * (ages[index] + age) / 2)
        lag += age * (previous[0] - current[0]) - (current[1] - previous[1])
        previous = current
    return PollPlan((), (), polls + 2 * shares[-1], lag + shares[-1] * bounds.longest)
