"""Decides when a run is polled: at intervals that double, until enough runs have ended to plan better.

The price of a poll follows from whether polls leave on time. Polls that leave late show that a shared limit (a quota)
is the bottleneck. The price then rises, up to the plan with the fewest polls whose lag is no longer than that of
doubling intervals. While polls leave on time, the price falls, down to the plan with the shortest lag that needs no
more polls than doubling intervals.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from batchrun.domain.backoff import poll_interval, spread
from batchrun.domain.duration_survival import ObservedDurations, RunSpan, Survival
from batchrun.domain.poll_plan import PollBounds, PollPlan, exponential, plan

FIRST_PLAN_ENDS = 50
"""Ended runs that are needed for the first plan."""

REPLAN_ENDS, MIN_REPLAN_SECONDS = 200, 5.0
"""A new plan is made after as many further ended runs as the last plan was made from, at most `REPLAN_ENDS`, and no
sooner than `MIN_REPLAN_SECONDS` after the last plan."""

PRICES = tuple(0.6 / 1.5**step for step in range(10, -1, -1))
"""The possible prices of a poll, as shares of the mean run duration."""

POLLS_PER_PRICE = 100
"""The price is reconsidered after this many polls."""

LATE_SHARE, ON_TIME_SHARE = 0.1, 0.03
"""The price rises if the delay of polls exceeds the first share of their planned waits, and falls below the second."""

EXPLORE_EVERY = 32
"""One run in this many has its first poll at a random earlier time, to notice when runs become shorter."""


class PollSchedule:
    """Learns from the ends of runs if `learns`. Pure except for its own state. Times in seconds on one clock."""

    def __init__(self, bounds: PollBounds, now: float, *, learns: bool = True) -> None:
        self._bounds = bounds
        self._learns = learns
        self._durations = ObservedDurations(now)
        self._plans = _Plans([], 0, 0)
        self._price = 0
        """The index in `PRICES`."""
        self._ends, self._ends_needed = 0, FIRST_PLAN_ENDS
        """Runs that ended since the last plan, and how many are needed for the next one."""
        self._planned_at = float("-inf")
        self._polls = 0
        self._late = self._waited = 0.0
        """Polls since the price was last reconsidered, and the sums of their delays and planned waits."""

    def wait(self, polls: int, age: float, chance: float, *, explore: bool = False) -> float:
        """Seconds until the next poll of a run of this age that was polled `polls` times, with ±10 % jitter.

        `chance`: a random number in [0, 1). `explore`: see `EXPLORE_EVERY`.
        """
        bounds, found = self._bounds, self._plans.at(self._price)
        if found is None:
            return poll_interval(polls, chance, bounds.initial, bounds.longest)
        age = max(age, 0.0) if polls else 0.0
        interval = found.interval(age, bounds)
        if explore and not polls:
            interval = max(bounds.initial, interval * chance)
        return spread(interval, chance, bounds.longest_at(age))

    def on_poll(self, wait: float, late: float) -> None:
        """A poll with a planned wait of `wait` seconds left `late` seconds after it was due."""
        self._polls += 1
        self._waited += wait
        self._late += late
        if self._polls >= POLLS_PER_PRICE:
            share = self._late / self._waited if self._waited else 0.0
            if share > LATE_SHARE:
                self._price = self._plans.clamp(self._price + 1)
            elif share < ON_TIME_SHARE:
                self._price = self._plans.clamp(self._price - 1)
            self._polls, self._late, self._waited = 0, 0.0, 0.0

    def on_run_ended(self, span: RunSpan) -> None:
        """A run has ended."""
        if self._learns:
            self._durations.on_run_ended(span)
            self._ends += 1

    def wants_plan(self, now: float) -> bool:
        """Whether `learn` is due."""
        return (
            min(self._ends, len(self._durations)) >= self._ends_needed and now - self._planned_at >= MIN_REPLAN_SECONDS
        )

    def learn(self, running: Iterable[RunSpan], weight: int, now: float) -> None:
        """Make new plans. `running`: see `ObservedDurations.survival`."""
        self._plans = plans(self._durations.survival(running, weight, self._bounds.initial), self._bounds)
        self._price = self._plans.clamp(self._price)
        self._ends, self._ends_needed, self._planned_at = 0, min(REPLAN_ENDS, len(self._durations)), now


@dataclass(frozen=True, slots=True)
class _Plans:
    """A plan for each price, and the range of prices that are used."""

    plans: Sequence[PollPlan]
    lowest: int
    highest: int

    def at(self, price: int) -> PollPlan | None:
        return self.plans[price] if self.plans else None

    def clamp(self, price: int) -> int:
        if not self.plans:
            return min(max(price, 0), len(PRICES) - 1)
        return min(max(price, self.lowest), self.highest)


def plans(survival: Survival, bounds: PollBounds) -> _Plans:
    """The plans for all prices, from the lowest price to the highest."""
    mean = sum(
        (survival.ages[i] - survival.ages[i - 1]) * (survival.shares[i - 1] + survival.shares[i]) / 2
        for i in range(1, len(survival.ages))
    )
    found = [plan(survival, bounds, price * mean) for price in PRICES]
    baseline = exponential(survival, bounds)
    highest = max((i for i, one in enumerate(found) if one.lag <= baseline.lag), default=0)
    lowest = min((i for i, one in enumerate(found) if one.polls <= baseline.polls), default=highest)
    return _Plans(found, min(lowest, highest), highest)
