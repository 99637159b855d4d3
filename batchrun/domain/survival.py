"""How long runs live, learned from those that ended lately and from those that are still at work.

The ends that are known early belong to short runs, so ends alone would make runs look shorter than they are; whoever
is still running counts as well, as far as a poll has found it alive. The estimate is the product limit (Kaplan and
Meier) with late entry: of each run, only that part of its life counts that lies after the window's beginning.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WINDOW = 1000
"""So many ends are remembered; what was before is forgotten, so that the estimate follows the workload."""

SLACK = 2.0
"""Seconds by which a duration that the service tells may be off from what we saw; it may count in whole ones."""

BLUR = (0.92, 0.96, 1.0, 1.04, 1.08)
"""The share at an age is the mean of those at these parts of it: no poll falls more sharply, for it is spread."""

FEW = 10
"""An end among fewer runs of its age proves no more than one among so many."""

STEP, SHARES, NARROWEST = 1.08, 40, 1.02
"""The ages at which the share is known: at the most so many times apart, and at so many quantiles, but those that are
less than so many times apart are taken for one."""


@dataclass(frozen=True, slots=True)
class RunSpan:
    """One run, from when to when it is known to have been at work (seconds on one clock)."""

    begun: float
    until: float


def run_duration(found: float, on_run_ended: float, told: float | None) -> float | None:
    """How long a run lived that was found at work at the age `found` (0: never asked) and ended at the age `ended`.

    `told`: what the service says; if that cannot be, or is not known, it ended midway. None where there is no saying.
    """
    if on_run_ended <= found:
        return None
    if told is not None and found - SLACK <= told <= on_run_ended + SLACK:
        return min(max(told, found), on_run_ended)
    return (found + on_run_ended) / 2


@dataclass(frozen=True, slots=True)
class Survival:
    """`shares[i]` of the runs are still at work at the age `ages[i]` (seconds, from 0 on, ascending)."""

    ages: Sequence[float]
    shares: Sequence[float]


class ObservedDurations:
    """The lives that ended lately. Pure but for its own memory; `since`: when we began to look."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._ended = deque[RunSpan]()

    def __len__(self) -> int:
        return len(self._ended)

    def on_run_ended(self, life: RunSpan) -> None:
        """A run has ended."""
        if life.until <= self._since:
            return  # before we looked; those that were still at work then are the ones we know
        self._ended.append(life)
        if len(self._ended) > WINDOW:
            self._since = max(self._since, self._ended.popleft().until)

    def survival(self, alive: Iterable[RunSpan], each: int, least: float) -> Survival:
        """The estimate. `alive`: of `each` runs that have not ended, one; `least`: the shortest interval of polls."""
        on_run_ended = [(max(0.0, self._since - life.begun), life.until - life.begun) for life in self._ended]
        running = [(max(0.0, self._since - life.begun), life.until - life.begun) for life in alive]
        on_run_ended = [span for span in on_run_ended if span[0] < span[1]]
        running = [span for span in running if span[0] < span[1]]
        entries, ends = sorted(entry for entry, _ in on_run_ended), sorted(end for _, end in on_run_ended)
        more_entries, more_ends = sorted(entry for entry, _ in running), sorted(end for _, end in running)
        share, steps = 1.0, list[tuple[float, float]]()
        for before, age in enumerate(ends):
            at_risk = bisect_left(entries, age) - before
            at_risk += each * (bisect_left(more_entries, age) - bisect_left(more_ends, age))
            share *= 1.0 - 1.0 / max(at_risk, FEW)
            steps.append((age, share))
        return _on_a_grid(steps, least)


def _on_a_grid(steps: Sequence[tuple[float, float]], least: float) -> Survival:
    if not steps:
        return Survival((0.0,), (1.0,))
    ends = [end for end, _ in steps]
    last = ends[-1]

    def share(age: float) -> float:
        place = bisect_right(ends, age)
        return steps[place - 1][1] if place else 1.0

    wanted = [ends[len(ends) * k // SHARES] for k in range(SHARES)]
    age = least
    while age < last:
        wanted.append(age)
        age *= STEP
    ages, shares = [0.0], [1.0]
    for age in sorted([*wanted, last, last / BLUR[0], max(last / BLUR[0], least)]):
        if age >= least / 4 and age >= ages[-1] * NARROWEST:
            ages.append(age)
            shares.append(sum(share(age * part) for part in BLUR) / len(BLUR))
    return Survival(ages, shares)
