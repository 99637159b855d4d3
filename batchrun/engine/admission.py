"""When a request may leave at all: after the pause that the service asked for, and one at a time in an outage."""

import asyncio
import logging

from batchrun.domain.circuit_breaker import CircuitBreaker
from batchrun.domain.randomness import draw
from batchrun.domain.rate_control import AdaptiveRate, ThrottlePause
from batchrun.engine.waiting import wait_until
from batchrun.ports import RateLimiter

log = logging.getLogger("batchrun")

SHORTEST_LEAD, LONGEST_LEAD = 0.02, 1.0
"""Seconds before its permit from which on a request is prepared (its intent committed, its connection opened)."""


class RequestClass:
    """One sort of request (submissions, or polls) on its way through the gate."""

    def __init__(self, name: str, pacer: RateLimiter, seed: int) -> None:
        self.name = name
        self.pacer = pacer
        self.rate_control = AdaptiveRate(pacer.rate)
        self.breaker = CircuitBreaker()
        self.unsent = 0
        """Requests that are prepared and wait for their permit."""
        self.in_air = 0
        """Requests that are prepared or sent and not answered."""
        self.probing = 0
        """Those of them that were prepared while the service was out."""
        self.changed = asyncio.Event()
        self.last_success = float("-inf")
        """When a request was last answered well, in the loop's time."""
        self.last_failure = float("-inf")
        """When one last failed."""
        self.last_error = ""
        """What was wrong when one last failed, as far as it was said."""
        self._seed = seed
        self._time = asyncio.get_running_loop().time
        self._rate = pacer.rate
        self._failures = 0
        self._preparation = 0.0

    def on_failure(self, last_error: str = "") -> None:
        """No answer, or one that says that the service is not well; `trouble`: what was wrong, in words."""
        self._failures += 1
        self.last_error = last_error or self.last_error
        is_open = self.breaker.is_open
        self.last_failure = self._time()
        self.breaker.on_failure(self.last_failure, draw(self._seed, "probe", self.name, self._failures))
        if last_error and self.breaker.is_open and not is_open:
            log.warning("the service is out, and is waited for: %s", last_error)

    def on_success(self) -> None:
        """The service answered: it is well."""
        self.breaker.on_success()
        self.last_success = self._time()
        self.changed.set()

    def on_prepared(self) -> bool:
        """A request is prepared; whether it is a probe."""
        self.unsent += 1
        self.in_air += 1
        probe = self.breaker.is_open
        self.probing += probe
        return probe

    async def permit(self, prepared_since: float, *, again: bool = False) -> float:
        """Wait for the permit of a request prepared since then; when it was given (both loop time).

        `again`: it had one before.
        """
        took = self._time() - prepared_since
        self._preparation += 0.1 * (took - self._preparation)
        at = await self.pacer.permit()
        self.rate_control.on_sent(at)
        if not again:
            self.unsent -= 1
            self.changed.set()
        return at

    async def admit(self, *, single: bool = False, most_unsent: int) -> None:
        """Wait until another request may be prepared: as long before its permit as preparing takes.

        `single`: only when no other is in the air.
        """
        if single or self.breaker.is_open or self.unsent >= most_unsent:
            await self._until_admitted(single=single, most_unsent=most_unsent)
        if not self.pacer.is_near(self.unsent, SHORTEST_LEAD):
            lead = min(LONGEST_LEAD, SHORTEST_LEAD + 2 * self._preparation)
            await self.pacer.approach(lambda: self.unsent, lead)

    def apply_rate(self, reason: str) -> None:
        """Slow the pacer down to the rate that the rate control has found."""
        found = self.rate_control
        if found.rate != self._rate:
            self._rate = found.rate
            self.pacer.slow_to(found.share)
            known = f", of a quota of about {found.quota:.4g}" if found.quota is not None else ""
            log.info("%ss: %.4g a second of %.4g%s: %s", self.name, found.rate, found.ceiling, known, reason)

    def on_done(self, *, sent: bool, probe: bool) -> None:
        """It was answered, or given up."""
        self.in_air -= 1
        self.probing -= probe
        if not sent:
            self.unsent -= 1
        self.changed.set()

    async def _until_admitted(self, *, single: bool, most_unsent: int) -> None:
        while True:
            # A probe need not wait for what left before the outage: a synchronous run may take an hour to be answered.
            others = self.in_air if single else self.probing if self.breaker.is_open else 0
            if others or self.unsent >= most_unsent:
                self.changed.clear()
                await self.changed.wait()
            elif (wait := self.breaker.seconds_until_probe(self._time())) > 0:
                self.changed.clear()
                await wait_until(self.changed, self._time() + wait)
            else:
                return


class Admission:
    """Both lanes, and what they share: the pause of a 429, and the patience with an outage.

    `adaptive`: whether a 429 also changes the rate, and not for the length of its pause alone.
    """

    def __init__(self, submits: RequestClass, polls: RequestClass, max_outage: float, *, adaptive: bool = True) -> None:
        self.submits = submits
        self.polls = polls
        self._pause = ThrottlePause()
        self._adaptive = adaptive
        self._max_outage = max_outage
        self._ticked_at = float("-inf")

    def throttled(self, requests: RequestClass, sent_at: float, retry_after: float | None) -> None:
        """A request of `lane` that left at `sent_at` (loop time) was answered by a 429: every request slows down."""
        now = asyncio.get_running_loop().time()
        classes = (self.submits, self.polls)
        self._pause.on_throttled(now, sent_at, retry_after, max(one.last_success for one in classes))
        for one in classes:
            one.pacer.pause(self._pause.until)
        if self._adaptive and requests.rate_control.on_throttled(now, sent_at):
            for one in classes:
                if one is not requests:
                    one.rate_control.on_other_throttled(now)
                one.apply_rate(f"{requests.name}s are throttled")

    def tick(self) -> None:
        """Once a second: let a rate grow again where it is what holds the job back."""
        now = asyncio.get_running_loop().time()
        for requests in (self.submits, self.polls):
            taken = requests.last_success > max(self._pause.until, self._ticked_at)
            if requests.rate_control.share < 1 and requests.pacer.saturated and taken and now - self._pause.until >= 1:
                requests.rate_control.on_success(now)
                requests.apply_rate("requests are taken")
        self._ticked_at = now

    @property
    def last_error(self) -> str:
        """What was wrong when a request last failed; empty where nobody said."""
        return max(self.submits, self.polls, key=lambda requests: requests.last_failure).last_error

    def outage_too_long(self) -> bool:
        """Whether the service has been out for `max_outage` seconds in which no request succeeded."""
        classes = (self.submits, self.polls)
        last_success = max(requests.last_success for requests in classes)
        return any(self._is_out(requests, last_success) for requests in classes)

    def _is_out(self, requests: RequestClass, last_success: float) -> bool:
        # Measured from failure to failure: while nothing is asked, nothing is known. Nor is it while the service may be
        # at work on a request that is no probe: the answer to a synchronous run may take longer than our patience.
        since = requests.breaker.since
        if since is None or requests.in_air > requests.probing:
            return False
        return requests.last_failure - max(since, last_success) >= self._max_outage
