"""The limits of one process that are leased: what it reports about them, and what it may use of them."""

import asyncio
import math
from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

from batchrun.adapters.shared_limits.messages import Grant, Report
from batchrun.domain.demand import SAMPLE_SECONDS, Demand
from batchrun.domain.lease_book import SAME_PAUSE
from batchrun.domain.leases import LEASE

RENEWAL = 0.5
"""Seconds between two reports that have nothing new to report."""


class LeasedLimit(Protocol):
    """A limit that keeps to what is leased of it."""

    on_pause: Callable[[float], None] | None

    @property
    def rate(self) -> float:
        """The whole limit, a second."""
        ...

    @property
    def in_use(self) -> int:
        """How much of it is in use."""
        ...

    @property
    def is_short(self) -> bool:
        """Whether somebody waits, because all that is leased is in use."""
        ...

    @property
    def saturated(self) -> bool:
        """Whether somebody waits."""
        ...

    def lease(self, rate: float, until: float) -> None:
        """Allow this rate until `until` (event loop time), and nothing after it."""
        ...

    def pause_for_others(self, until: float) -> None:
        """Allow nothing before `until` (event loop time), as another process was asked."""
        ...


class LeasedLimits:
    """`limits`, by name. `on_news` is called when something is to be reported at once."""

    def __init__(self, limits: Mapping[str, LeasedLimit], on_news: Callable[[], None]) -> None:
        self._limits = limits
        self._on_news = on_news
        self._time = asyncio.get_running_loop().time
        self._demands = {name: Demand() for name in limits}
        self._slots = dict.fromkeys(limits, 0)
        self._held = dict.fromkeys(limits, 0)
        self._pauses = dict.fromkeys(limits, -math.inf)
        self._news: set[str] = set()
        """The limits with pauses that were not reported yet."""
        self.leased_until = -math.inf
        """Until when the present leases are valid, in event loop time."""
        self._sent: deque[tuple[int, float]] = deque()
        """The reports that were not answered yet: their numbers and when they were made."""
        self._last_report: Report | None = None
        self._number = self._received = 0
        self._sampled_at = self._reported_at = -math.inf
        for name, limit in limits.items():
            limit.on_pause = partial(self._on_pause, name)

    def restart(self) -> None:
        """From now on, report to somebody else."""
        self._last_report, self._received = None, 0
        self._sent.clear()
        now = self._time()
        self._news.update(name for name, until in self._pauses.items() if until > now)

    @property
    def has_reported(self) -> bool:
        """Whether a report was made since the last restart."""
        return self._last_report is not None

    @property
    def is_draining(self) -> bool:
        """Whether more is in use than is leased, so that it is to be given back."""
        return any(limit.in_use > self._slots[name] for name, limit in self._limits.items())

    @property
    def saturated(self) -> bool:
        """Whether somebody waits for one of the limits."""
        return any(limit.saturated for limit in self._limits.values())

    def sample(self) -> bool:
        """Measure what is held and wanted. Returns whether a report is due."""
        now = self._time()
        slots = self._slots if now < self.leased_until else {}
        self._held = {name: max(slots.get(name, 0), limit.in_use) for name, limit in self._limits.items()}
        if now >= self._sampled_at + SAMPLE_SECONDS:
            self._sampled_at = now
            for name, limit in self._limits.items():
                self._demands[name].sample(limit.in_use, self._held[name], is_short=limit.is_short)
        last = self._last_report
        is_new = last is None or (self._received, self._held, self._wanted) != (last.received, last.held, last.wanted)
        return is_new or bool(self._news) or now >= self._reported_at + RENEWAL

    @property
    def _wanted(self) -> dict[str, int]:
        return {name: demand.wanted for name, demand in self._demands.items()}

    def report(self) -> Report:
        """The report of what was sampled last. The lease that it brings counts from now."""
        now = self._time()
        self._number += 1
        pauses = {name: until - now for name in self._news if (until := self._pauses[name]) > now}
        rates = {name: limit.rate for name, limit in self._limits.items()}
        self._news.clear()
        self._last_report = Report(self._number, self._received, rates, self._held, self._wanted, pauses)
        self._reported_at = now
        self._sent.append((self._number, now))
        return self._last_report

    def apply(self, grant: Grant) -> None:
        """Keep to this grant."""
        self._received = grant.number
        while self._sent and self._sent[0][0] <= grant.report:
            self.leased_until = max(self.leased_until, self._sent.popleft()[1] + LEASE)
        for name, limit in self._limits.items():
            slots = grant.slots.get(name, 0)
            self._slots[name] = slots
            limit.lease(slots / grant.periods.get(name, 1.0), self.leased_until)
        now = self._time()
        for name, seconds in grant.pauses.items():
            if name in self._limits and now + seconds > self._pauses[name] + SAME_PAUSE:
                self._pauses[name] = now + seconds
                self._limits[name].pause_for_others(now + seconds)

    def _on_pause(self, name: str, until: float) -> None:
        """The service has asked this process for a pause: tell the others at once."""
        if until > self._pauses[name] + SAME_PAUSE:
            self._pauses[name] = until
            self._news.add(name)
            self._on_news()
