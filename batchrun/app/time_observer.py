"""Observes what happens in a session over time, for the report."""

import asyncio

from batchrun.cluster.driver import Driver
from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from batchrun.domain.time_series import Interval, TimeSeries
from batchrun.engine.engine import Engine

INTERVAL = 1.0
"""Seconds between two observations."""


class TimeObserver:
    """Reads the figures of a running engine once a second. The checkpoint writes them with its next commit.

    Create it before the engine runs, in its loop. `now`: the wall clock time (UTC milliseconds).
    """

    def __init__(self, engine: Engine | Driver, counters: Counters, now: int) -> None:
        self._admission = engine.admission
        self._tally = engine.transitions.tally
        self._counters = counters
        self._series = TimeSeries(now)
        self._time = asyncio.get_running_loop().time
        self._started_at = self._observed_at = self._time()
        self._before = self._totals()

    async def run(self) -> None:
        """Observe until cancelled."""
        while True:
            await asyncio.sleep(INTERVAL)
            self.observe()

    def observe(self) -> None:
        """Add what has happened since the last observation."""
        now, since, totals = self._time(), self._observed_at, self._totals()
        admission, tally = self._admission, self._tally
        submits = admission.submits
        submissions, polls, throttled, completed, failed, timed_out = (
            after - before for after, before in zip(totals, self._before, strict=True)
        )
        observed = Interval(
            at=0,
            observed_ms=round((now - self._started_at) * 1000) - round((since - self._started_at) * 1000),
            submissions=submissions,
            polls=polls,
            throttled=throttled,
            completed=completed,
            failed=failed,
            timed_out=timed_out,
            in_flight=tally.states[State.RUNNING] + tally.states[State.SUBMITTING],
            allowed=submits.allowed_rate * (now - since),
            paused_ms=round(1000 * max(0.0, min(submits.held_until, now) - max(since, submits.held_since))),
            outage_ms=round(1000 * (now - since)) if admission.is_out else 0,
        )
        self._series.add(since - self._started_at, observed)
        self._counters.time_series = self._series.intervals
        self._observed_at, self._before = now, totals

    def _totals(self) -> tuple[int, ...]:
        counters, states = self._counters, self._tally.states
        completed = states[State.COMPLETED] - self._tally.reused
        ended = completed, states[State.FAILED], states[State.TIMED_OUT]
        return counters.submissions, counters.polls, counters.throttled, *ended
