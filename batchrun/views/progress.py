"""The progress of a running job, the protocol of its views, and the views without a terminal."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from batchrun.domain.counters import Counters
from batchrun.domain.eta import MIN_ENDED, seconds_left
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.engine.settings import Stop
from batchrun.engine.transitions import Latencies
from batchrun.views.number_format import duration

log = logging.getLogger("batchrun.progress")

RATE_WINDOW = 60.0
"""Seconds over which the rate is averaged. Older samples are dropped so that the ETA follows the current rate."""

LOG_INTERVAL = 10.0
"""Seconds between two progress lines in the log."""


@dataclass
class JobProgress:
    """The figures of a running job. `rate`, `eta` and `elapsed` cover this session only.

    Create it in a running event loop.
    """

    tally: Tally
    counters: Counters
    latencies: Latencies
    folder: str
    """The run directory."""
    job: Mapping[str, Any]
    """What identifies the job: `input`, `workflow_id` and `simulate`."""
    _started_at: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    _worked_before: int = field(init=False)
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._worked_before = self.tally.worked

    @property
    def elapsed(self) -> float:
        """Seconds since the session began."""
        return asyncio.get_running_loop().time() - self._started_at

    def sample(self) -> None:
        """Record the time and the number of finished rows. Call it about once a second."""
        now = asyncio.get_running_loop().time()
        self._samples.append((now, self.tally.worked))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_WINDOW:
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """Rows finished per second over the last `RATE_WINDOW`, without reused rows; None if no row has finished."""
        if len(self._samples) < 2:
            return None
        (then, before), (now, after) = self._samples[0], self._samples[-1]
        return (after - before) / (now - then) if after > before and now > then else None

    @property
    def in_flight(self) -> int:
        """Runs that are accepted and not finished, plus POSTs without an answer so far."""
        return self.tally[State.RUNNING] + self.tally[State.SUBMITTING]

    @property
    def eta(self) -> float | None:
        """Seconds until all rows are finished at the current rate; None if too few have finished to tell."""
        remaining = self.tally[State.QUEUED] + self.in_flight
        if len(self._samples) < 2 or (remaining and self.tally.worked - self._worked_before < MIN_ENDED):
            return None
        (then, before), (now, after) = self._samples[0], self._samples[-1]
        first_end = self._started_at + (self.latencies.run.quantile(0.5) or 0.0)
        return seconds_left(remaining, after - before, now - then, max(0.0, first_end - then))

    @property
    def failed(self) -> int:
        """Rows that failed or timed out."""
        return self.tally[State.FAILED] + self.tally[State.TIMED_OUT]

    def line(self) -> str:
        """The figures as one line of text."""
        tally = self.tally
        parts = [
            f"{tally[State.COMPLETED]:,} of {tally.total:,} done",
            *([f"{tally.reused:,} reused"] if tally.reused else []),
            f"{self.failed:,} failed",
            *([f"{tally[State.IN_DOUBT]:,} in doubt"] if tally[State.IN_DOUBT] else []),
            f"{self.in_flight:,} in flight",
            f"{self.rate:.1f} rows/s" if self.rate else "- rows/s",
            f"ETA {duration(self.eta)}" if self.eta is not None else "ETA -",
        ]
        return " · ".join(parts)


class ProgressView(Protocol):
    """Shows the progress of a running job."""

    async def show(self, progress: JobProgress) -> None:
        """Show `progress` until cancelled."""
        ...

    def on_stopping(self, stop: Stop) -> None:
        """Called when the job stops early, and again if a more important reason follows."""
        ...


class NoView:
    """Shows nothing."""

    async def show(self, progress: JobProgress) -> None:
        """Do nothing."""

    def on_stopping(self, stop: Stop) -> None:
        """Do nothing."""


class LogView:
    """Logs a line every `LOG_INTERVAL` seconds, for log files and cron."""

    async def show(self, progress: JobProgress) -> None:
        """Log the figures until cancelled."""
        loop = asyncio.get_running_loop()
        logged_at = loop.time()
        while True:
            progress.sample()
            if loop.time() - logged_at >= LOG_INTERVAL:
                logged_at = loop.time()
                log.log(PROGRESS_LEVEL, progress.line())
            await asyncio.sleep(1.0)

    def on_stopping(self, stop: Stop) -> None:
        """Log what happens next, and why if that takes long. The summary that follows says why in any case."""
        reason = f"{stop.reason}: " if stop.collect else "stopping: "
        log.log(PROGRESS_LEVEL, "%s%s", reason, stopping_text(stop))


PROGRESS_LEVEL = logging.WARNING - 1
"""Log level of progress lines: above the details of -v, below warnings, hidden by -q."""


def stopping_text(stop: Stop) -> str:
    """What the job does until it has stopped."""
    if stop.collect:
        return "no new submissions, collecting the runs under way"
    return "finishing requests in flight; press Ctrl-C again to quit now" if stop.exit_code.is_signal else "draining"
