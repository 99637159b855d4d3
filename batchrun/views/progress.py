"""A job while it runs: what a view may look at, and the views that show nothing but lines, or nothing at all."""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.engine.settings import Stop
from batchrun.engine.transitions import Latencies
from batchrun.views.number_format import duration

log = logging.getLogger("batchrun.progress")

WINDOW = 60.0
"""Seconds over which the rate of this session is taken, so that the ETA follows what happens now."""

EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


@dataclass
class Live:
    """The figures of a running job; `rate`, `eta` and `elapsed` are of this session alone. Made in a running loop."""

    tally: Tally
    counters: Counters
    latencies: Latencies
    folder: str
    """The run directory."""
    job: Mapping[str, Any]
    """What identifies the job."""
    _since: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def elapsed(self) -> float:
        """Seconds since the work began."""
        return asyncio.get_running_loop().time() - self._since

    def sample(self) -> None:
        """Look at the clock and the count; call it about once a second."""
        now = asyncio.get_running_loop().time()
        self._samples.append((now, self.tally.worked))
        while len(self._samples) > 2 and now - self._samples[0][0] > WINDOW:
            self._samples.popleft()

    @property
    def rate(self) -> float | None:
        """Rows ended a second, lately, those taken over left out; None while nothing has ended."""
        if len(self._samples) < 2:
            return None
        (then, before), (now, after) = self._samples[0], self._samples[-1]
        return (after - before) / (now - then) if after > before and now > then else None

    @property
    def in_flight(self) -> int:
        """Runs accepted and not ended, POSTs in the air included."""
        return self.tally[State.RUNNING] + self.tally[State.SUBMITTING]

    @property
    def eta(self) -> float | None:
        """Seconds until the rest is done at that rate."""
        rate = self.rate
        return (self.tally[State.QUEUED] + self.in_flight) / rate if rate else None

    @property
    def failed(self) -> int:
        """Rows that ended failed or timed out."""
        return self.tally[State.FAILED] + self.tally[State.TIMED_OUT]

    def line(self) -> str:
        """The figures on one line."""
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


class View(Protocol):
    """Shows a running job."""

    async def show(self, live: Live) -> None:
        """Show `live` until cancelled."""
        ...

    def stopping(self, stop: Stop) -> None:
        """The job stops before its end; told again where a weightier reason comes."""
        ...


class NoView:
    """Shows nothing."""

    async def show(self, live: Live) -> None:
        """Nothing to show."""

    def stopping(self, stop: Stop) -> None:
        """Nothing to say."""


class LogView:
    """A line every ten seconds, for log files and cron."""

    async def show(self, live: Live) -> None:
        """Log the figures until cancelled."""
        loop = asyncio.get_running_loop()
        said = loop.time()
        while True:
            live.sample()
            if loop.time() - said >= EVERY:
                said = loop.time()
                log.log(PROGRESS, live.line())
            await asyncio.sleep(1.0)

    def stopping(self, stop: Stop) -> None:
        """Say what happens now."""
        log.log(PROGRESS, "%s; %s", stop.reason, what_now(stop))


PROGRESS = logging.WARNING - 1
"""The level of progress lines: above the details of -v, below warnings, silenced by -q."""


def what_now(stop: Stop) -> str:
    """What a job that stops is doing until it has."""
    if stop.collect:
        return "no new submissions, collecting the runs under way"
    return "draining, again to leave at once" if stop.exit_code.is_signal else "draining"
