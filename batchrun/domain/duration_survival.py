"""Estimates how long runs take, from runs that ended recently and from runs that are still running.

The ends that are known early are those of short runs. Ends alone would therefore make runs look shorter than they are.
Running runs count as well, up to the last poll that found them running (right-censored). The estimate is the
product-limit (Kaplan-Meier) estimator with delayed entry: of each run, only the part after the beginning of the window
counts.
"""

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WINDOW = 1000
"""The number of ended runs that are kept. Older ones are dropped, so that the estimate follows the workload."""

CLOCK_SLACK = 2.0
"""Seconds by which a duration from the service may differ from what polls observed. It may be in whole seconds."""

SMOOTHING = (0.92, 0.96, 1.0, 1.04, 1.08)
"""The share at an age is averaged over these multiples of the age. A steeper curve would be useless, because polls are
jittered."""

MIN_AT_RISK = 10
"""An end counts as one among at least this many runs, even if fewer runs reached its age."""

STEP, QUANTILES, MIN_STEP = 1.08, 40, 1.02
"""The ages at which the share is computed: a geometric series with ratio `STEP`, and `QUANTILES` quantiles of the ends.
Neighbours with a ratio below `MIN_STEP` are merged."""


@dataclass(frozen=True, slots=True)
class RunSpan:
    """The time over which one run is known to have been running (seconds on one clock)."""

    start: float
    end: float


def run_duration(last_seen: float, ended: float, reported: float | None) -> float | None:
    """The duration of a run that was last seen running at age `last_seen` (0: never) and found ended at age `ended`.

    `reported`: the duration according to the service. If it is unknown or impossible, the run is assumed to have ended
    midway between the two ages. None if the duration cannot be determined.
    """
    if ended <= last_seen:
        return None
    if reported is not None and last_seen - CLOCK_SLACK <= reported <= ended + CLOCK_SLACK:
        return min(max(reported, last_seen), ended)
    return (last_seen + ended) / 2


@dataclass(frozen=True, slots=True)
class Survival:
    """`shares[i]` is the share of runs that are still running at age `ages[i]` (seconds, ascending from 0)."""

    ages: Sequence[float]
    shares: Sequence[float]


class ObservedDurations:
    """The runs that ended recently. Pure except for its own state. `since`: when the observation began."""

    def __init__(self, since: float) -> None:
        self._since = since
        self._ended = deque[RunSpan]()

    def __len__(self) -> int:
        return len(self._ended)

    def on_run_ended(self, span: RunSpan) -> None:
        """A run has ended."""
        if span.end <= self._since:
            return  # ended before the observation began: of these runs, only the long ones would be seen
        self._ended.append(span)
        if len(self._ended) > WINDOW:
            self._since = max(self._since, self._ended.popleft().end)

    def survival(self, running: Iterable[RunSpan], weight: int, min_interval: float) -> Survival:
        """The estimate. `running`: one of every `weight` running runs. `min_interval`: the shortest between polls."""
        ended_ages = [(max(0.0, self._since - span.start), span.end - span.start) for span in self._ended]
        running_ages = [(max(0.0, self._since - span.start), span.end - span.start) for span in running]
        ended_ages = [ages for ages in ended_ages if ages[0] < ages[1]]
        running_ages = [ages for ages in running_ages if ages[0] < ages[1]]
        entries, ends = sorted(entry for entry, _ in ended_ages), sorted(end for _, end in ended_ages)
        running_entries, running_ends = (
            sorted(entry for entry, _ in running_ages),
            sorted(end for _, end in running_ages),
        )
        share, steps = 1.0, list[tuple[float, float]]()
        for before, age in enumerate(ends):
            at_risk = bisect_left(entries, age) - before
            at_risk += weight * (bisect_left(running_entries, age) - bisect_left(running_ends, age))
            share *= 1.0 - 1.0 / max(at_risk, MIN_AT_RISK)
            steps.append((age, share))
        return _on_grid(steps, min_interval)


def _on_grid(steps: Sequence[tuple[float, float]], min_interval: float) -> Survival:
    """The step function, smoothed, at the ages that `STEP` describes."""
    if not steps:
        return Survival((0.0,), (1.0,))
    ends = [end for end, _ in steps]
    last = ends[-1]

    def share(age: float) -> float:
        index = bisect_right(ends, age)
        return steps[index - 1][1] if index else 1.0

    grid = [ends[len(ends) * k // QUANTILES] for k in range(QUANTILES)]
    age = min_interval
    while age < last:
        grid.append(age)
        age *= STEP
    ages, shares = [0.0], [1.0]
    for age in sorted([*grid, last, last / SMOOTHING[0], max(last / SMOOTHING[0], min_interval)]):
        if age >= min_interval / 4 and age >= ages[-1] * MIN_STEP:
            ages.append(age)
            shares.append(sum(share(age * part) for part in SMOOTHING) / len(SMOOTHING))
    return Survival(ages, shares)
