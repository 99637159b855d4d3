"""How long requests and runs take. Rows are sampled as they end, and durations are computed when they are read."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from batchrun.domain.reservoir import Reservoir, Sample
from batchrun.domain.row import Row
from batchrun.domain.states import State

RECENT_RUNS = 50
"""Runs whose lag counts as recent."""


@dataclass(frozen=True, slots=True)
class RunTimes:
    """Durations of the runs that ended, in seconds, each sorted."""

    run: list[float] = field(default_factory=list)
    """Of completed runs according to the service; if it reports none, the time that we waited for the end."""
    result: list[float] = field(default_factory=list)
    """From the acceptance of a row, or the POST of a synchronous one, to its end, if both are of this session."""
    lag: list[float] = field(default_factory=list)
    """From the end of a completed run until a poll found it: `result` without the duration according to the service."""


class Latencies:
    """Samples of latencies, in seconds. `since`: when the session began (UTC milliseconds)."""

    def __init__(self, since: int = 0) -> None:
        self.submit = Reservoir("submit")
        """From the permit to the answer, of accepted POSTs."""
        self.ended = Sample[Row]("ended")
        """Rows whose runs ended."""
        self.began_and_ended = 0
        """How many of them were submitted in this session."""
        self._since = since
        self._recent = deque[Row](maxlen=RECENT_RUNS)
        self._times = 0, RunTimes()

    def on_run_ended(self, row: Row) -> None:
        """Sample a row whose run has ended."""
        self.ended.add(row)
        self._recent.append(row)
        self.began_and_ended += (row.accepted_at or row.submitted_at or 0) >= self._since

    @property
    def run_times(self) -> RunTimes:
        """The durations of the sampled rows."""
        if self._times[0] != self.ended.changes:
            times = RunTimes()
            for row in self.ended.values:
                self._measure(row, times)
            for durations in (times.run, times.result, times.lag):
                durations.sort()
            self._times = self.ended.changes, times
        return self._times[1]

    @property
    def recent_lag(self) -> float:
        """The median lag of the last runs; an outage makes some of them late."""
        times = RunTimes()
        for row in self._recent:
            self._measure(row, times)
        return median(times.lag) if times.lag else 0.0

    def _measure(self, row: Row, times: RunTimes) -> None:
        since = row.submitted_at if row.accepted_at is None else row.accepted_at
        result = None if row.finished_at is None or since is None else (row.finished_at - since) / 1000
        is_timed = row.created_at is not None and row.updated_at is not None
        reported = ((row.updated_at or 0) - (row.created_at or 0)) / 1000 if is_timed else None
        is_new = result is not None and (since or 0) >= self._since
        if result is not None and is_new:
            times.result.append(result)
        if row.state is not State.COMPLETED:
            return
        if result is not None and reported is not None and is_new and row.accepted_at is not None:
            times.lag.append(max(0.0, result - reported))
        if (duration := result if reported is None else reported) is not None:
            times.run.append(duration)
