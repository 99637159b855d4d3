"""When a run is polled: by intervals that double, until enough runs have ended to know better.

What a poll is worth shows in whether polls leave in time. Where they come late, something that they share (a quota)
is short: polls are dear, and the fewest are made that find the ends no later than intervals that double would. Where
they leave in time they are cheap, and the ends are found as soon as they can be with no more polls than such
intervals would take. In between, the price of a poll goes up and down.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from batchrun.domain.backoff import poll_interval, spread
from batchrun.domain.poll_plan import PollBounds, PollPlan, exponential, plan
from batchrun.domain.survival import ObservedDurations, RunSpan, Survival

ENOUGH = 50
"""So many runs must have ended before anything is known."""

EVERY, SECONDS = 200, 5.0
"""A new plan is made when twice as many ends are known, later after so many further ones; but not sooner than so many
seconds after the last plan."""

PRICES = tuple(0.6 / 1.5**step for step in range(10, -1, -1))
"""What a poll may be worth, in parts of the time that a run takes on average."""

JUDGED = 100
"""After so many polls it is asked whether they left in time."""

LATE, IN_TIME = 0.1, 0.03
"""Polls are late, or in time, if they leave so much later than planned, in parts of the interval."""

SCOUTS = 32
"""Every so many-th run is polled the first time at any moment before, to notice if runs become shorter."""


class PollSchedule:
    """Learns from the ends of runs, unless told not to. Pure but for its own memory; times in seconds on one clock."""

    def __init__(self, bounds: PollBounds, now: float, *, learns: bool = True) -> None:
        self._bounds = bounds
        self._learns = learns
        self._durations = ObservedDurations(now)
        self._plans = _Plans([], 0, 0)
        self._price = 0
        self._ends, self._awaited = 0, ENOUGH
        self._planned_at = float("-inf")
        self._judged = 0
        self._late = self._waited = 0.0

    # -- asked

    def wait(self, polls: int, age: float, chance: float, *, scout: bool = False) -> float:
        """Seconds until the next poll of a run of this age, polled `polls` times; ±10 % by `chance` in [0, 1)."""
        bounds, found = self._bounds, self._plans.at(self._price)
        if found is None:
            return poll_interval(polls, chance, bounds.initial, bounds.longest)
        age = max(age, 0.0) if polls else 0.0
        interval = found.interval(age, bounds)
        if scout and not polls:
            interval = max(bounds.initial, interval * chance)
        return spread(interval, chance, bounds.longest_at(age))

    # -- told

    def on_poll(self, wait: float, late: float) -> None:
        """A poll planned `wait` seconds ahead left `late` seconds after it was due."""
        self._judged += 1
        self._waited += wait
        self._late += late
        if self._judged >= JUDGED:
            share = self._late / self._waited if self._waited else 0.0
            if share > LATE:
                self._price = self._plans.clamp(self._price + 1)
            elif share < IN_TIME:
                self._price = self._plans.clamp(self._price - 1)
            self._judged, self._late, self._waited = 0, 0.0, 0.0

    def on_run_ended(self, life: RunSpan) -> None:
        """A run has ended."""
        if self._learns:
            self._durations.on_run_ended(life)
            self._ends += 1

    def wants_plan(self, now: float) -> bool:
        """Whether it is time for `learn`."""
        return min(self._ends, len(self._durations)) >= self._awaited and now - self._planned_at >= SECONDS

    def learn(self, alive: Iterable[RunSpan], each: int, now: float) -> None:
        """Plan anew. `alive`: of `each` runs that have not ended, one, as far as polls found it at work."""
        self._plans = plans(self._durations.survival(alive, each, self._bounds.initial), self._bounds)
        self._price = self._plans.clamp(self._price)
        self._ends, self._awaited, self._planned_at = 0, min(EVERY, len(self._durations)), now


@dataclass(frozen=True, slots=True)
class _Plans:
    """A plan for each price, and between which of them there is a choice."""

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
    """The plans for all prices, cheap polls first."""
    mean = sum(
        (survival.ages[i] - survival.ages[i - 1]) * (survival.shares[i - 1] + survival.shares[i]) / 2
        for i in range(1, len(survival.ages))
    )
    found = [plan(survival, bounds, price * mean) for price in PRICES]
    measure = exponential(survival, bounds)
    highest = max((i for i, one in enumerate(found) if one.lag <= measure.lag), default=0)
    lowest = min((i for i, one in enumerate(found) if one.polls <= measure.polls), default=highest)
    return _Plans(found, min(lowest, highest), highest)
