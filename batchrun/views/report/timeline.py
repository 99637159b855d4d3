"""The time series of a job on one axis: the seconds that its sessions worked, without the breaks between them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batchrun.domain.time_series import Interval, coarser, without_short_end
from batchrun.views.report.model import SessionSpan

MAX_POINTS = 600
"""Intervals of a job in a chart."""

BAND_SHARE = 0.25
"""An interval is marked as paused or out if at least this share of it was."""


@dataclass(frozen=True, slots=True)
class Timed:
    """An interval and where it is on the axis, in seconds."""

    start: float
    end: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Timeline:
    """The intervals of each session. `sessions`: where each session begins and ends on the axis."""

    parts: Sequence[Sequence[Timed]]
    sessions: Sequence[tuple[float, float]]

    @property
    def every(self) -> list[Timed]:
        """All intervals, in order."""
        return [one for part in self.parts for one in part]

    @property
    def end(self) -> float:
        """The end of the axis."""
        return self.sessions[-1][1] if self.sessions else 0.0

    def steps(self, value: Callable[[Interval], float]) -> tuple[list[float], list[float]]:
        """The points of a step line, with a gap (NaN) after each session."""
        xs, ys = list[float](), list[float]()
        for part in self.parts:
            if not part:
                continue
            xs += [one.start for one in part] + [part[-1].end, part[-1].end]
            ys += [value(one.interval) for one in part] + [value(part[-1].interval), float("nan")]
        return xs, ys

    def bands(self, milliseconds: Callable[[Interval], int]) -> list[tuple[float, float]]:
        """Where something lasted: intervals with a good part of it, neighbours as one."""
        found: list[tuple[float, float]] = []
        for one in self.every:
            if milliseconds(one.interval) >= BAND_SHARE * max(one.interval.observed_ms, 1):
                if found and one.start - found[-1][1] < 0.001:
                    found[-1] = (found[-1][0], one.end)
                else:
                    found.append((one.start, one.end))
        return found


def timeline(sessions: Sequence[SessionSpan], most: int = MAX_POINTS) -> Timeline:
    """The timeline of these sessions, with at most `most` intervals, or one a session."""
    series = [without_short_end(one.intervals) for one in sessions]
    while sum(map(len, series)) > max(most, len(series)):
        series = [coarser(intervals) for intervals in series]
    parts, spans, offset = list[list[Timed]](), list[tuple[float, float]](), 0.0
    for one, intervals in zip(sessions, series, strict=True):
        timed: list[Timed] = []
        for interval in intervals:
            start = offset + (interval.at - intervals[0].at) / 1000  # differences of one clock, which may be set
            timed.append(Timed(start, start + interval.seconds, interval))
        parts.append(timed)
        end = max([offset + one.worked_s, *(each.end for each in timed)])
        spans.append((offset, end))
        offset = end
    return Timeline(parts, spans)
