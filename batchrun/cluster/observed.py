"""What the workers' requests have come to, in the form in which an engine tells it of its own."""

import asyncio
from collections.abc import Callable, Sequence

from batchrun.cluster.messages import ClassFigures
from batchrun.cluster.shared_rate import SharedRate
from batchrun.cluster.worker_handle import WorkerHandle
from batchrun.domain.counters import Counters
from batchrun.domain.known_echoes import merged_echoes
from batchrun.domain.unhelpful_rows import merged_rows
from batchrun.engine.request_class import RequestClass


class ObservedLimit:
    """A `ports.RateLimiter` that grants nothing: the driver sends no request."""

    part = 1.0
    paused_by_others_until = float("-inf")

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.saturated = False

    async def approach(self, ahead: Callable[[], int], lead: float) -> None:
        """See the port."""
        raise NotImplementedError

    def is_near(self, ahead: int, lead: float) -> bool:
        """See the port."""
        raise NotImplementedError

    async def permit(self) -> float:
        """See the port."""
        raise NotImplementedError

    def answered(self, at: float) -> None:
        """See the port."""
        raise NotImplementedError

    def slow_to(self, share: float) -> None:
        """See the port."""

    def pause(self, until: float) -> None:
        """See the port."""


class ObservedRequests(RequestClass):
    """One class of requests of all workers."""

    def __init__(self, name: str, rate: float, patience: float) -> None:
        self._limit = ObservedLimit(rate)
        super().__init__(name, self._limit, 0, patience)
        self.adaptive_rate = SharedRate(rate)
        self._failing_since: float | None = None

    @property
    def unavailable_since(self) -> float | None:
        """Since when the service has been unavailable to a worker."""
        return self._failing_since

    @property
    def outage_s(self) -> float:
        """Seconds for which the service was reported unavailable."""
        since = self._failing_since
        return self._past_outage_s + (0.0 if since is None else asyncio.get_running_loop().time() - since)

    def observe(self, found: Sequence[ClassFigures]) -> None:
        """The figures of each worker, those included that are gone."""
        now = asyncio.get_running_loop().time()
        sent = sum(one.sent for one in found)
        if sent > self.sent:
            self.first_sent = now if self.sent == 0 else self.first_sent
            self._part_s += 0.0 if self.sent == 0 else now - self.last_sent
            self.last_sent = now
        self.sent, self.unsent = sent, sum(one.unsent for one in found)
        self.outages = max(one.outages for one in found)
        self._limit.saturated = any(one.is_saturated for one in found)
        self.last_success = now - min(one.silent_for for one in found)
        paused_until = now + max(one.paused_for for one in found)
        if paused_until > max(now, self.pause.until):
            self.on_paused(now, self.pause.until)
            self.pause.until = paused_until
        failing_for = max(one.failing_for for one in found)
        if not failing_for:
            self._past_outage_s = self.outage_s
        self._failing_since = now - failing_for if failing_for else None
        self.last_error = next((one.last_error for one in found if one.last_error), self.last_error)


def add_up(counters: Counters, observed: Sequence[ObservedRequests], workers: Sequence[WorkerHandle]) -> None:
    """Set the counters and figures of the job to those of its workers, those included that are gone."""
    found = [worker.counters for worker in workers]
    for name in ("submissions", "polls", "throttled", "irregular_outputs"):
        setattr(counters, name, sum(getattr(one, name) for one in found))
    counters.known_echoes = merged_echoes(tuple(one.known_echoes for one in found)) or counters.known_echoes
    counters.unhelpful_rows = merged_rows(tuple(one.unhelpful_rows for one in found)) or counters.unhelpful_rows
    for number, requests in enumerate(observed):
        requests.observe([worker.figures[number] for worker in workers])
