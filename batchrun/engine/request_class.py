"""One class of requests: when the next one may be prepared and sent, and what the answers say about the service."""

import asyncio
import logging

from batchrun.domain.circuit_breaker import CircuitBreaker
from batchrun.domain.randomness import draw
from batchrun.domain.rate_control import AdaptiveRate, ThrottlePause
from batchrun.domain.reservoir import Reservoir
from batchrun.domain.time_words import in_words
from batchrun.engine.wait_until import wait_until
from batchrun.ports import RateLimiter

log = logging.getLogger("batchrun")

MIN_LEAD, MAX_LEAD = 0.02, 1.0
"""The least and the most seconds between the start of the preparation of a request (intent committed, connection
opened) and its permit."""

AFTER = 0.05
"""Seconds after the end of the patience at which the last probe is made, so that it shows that the end has come."""

SHORT_OUTAGE = 1.0
"""Seconds. An outage that ends earlier is reported with -v only, unless no request has succeeded yet."""

REPORTED_CUTS, REPORT_INTERVAL = 3, 600.0
"""Report the first three cuts of a rate, and then one in ten minutes; the others with -v."""


class RequestClass:
    """One class of requests (submissions, polls or uploads): its rate, circuit breaker and outstanding requests."""

    def __init__(self, name: str, limiter: RateLimiter, seed: int, patience: float) -> None:
        self.name = name
        self._patience = patience
        self._reported_at: float | None = None
        self._unreported = ""
        """The error of an outage that may turn out to be short."""
        self.limiter = limiter
        self.adaptive_rate = AdaptiveRate(limiter.rate)
        self.breaker = CircuitBreaker()
        self.pause = ThrottlePause()
        self.throttled_by = ""
        """The last refusal that asked for a pause."""
        self.held_since = self._held_until = float("-inf")
        """When the last pause began, of any class (event loop time)."""
        self.unsent = 0
        """Requests that are being prepared or wait for a permit."""
        self.outstanding = 0
        """Requests that are being prepared, or sent and not answered yet."""
        self.probing = 0
        """Outstanding requests that were admitted while the circuit was open."""
        self.changed = asyncio.Event()
        self.last_success = float("-inf")
        """Time of the last success, in event loop time."""
        self.last_failure = float("-inf")
        """Time of the last failure, in event loop time."""
        self.last_error = ""
        """The message of the last failure that had one."""
        self._seed = seed
        self._time = asyncio.get_running_loop().time
        self._rate = limiter.rate
        self._failures = 0
        self.waits = Reservoir(f"{name} waits")
        """How long requests waited for their permits while everything else was ready, in seconds."""
        self.first_sent = self.last_sent = float("-inf")
        """When the first and the last request of the session were sent, in event loop time."""
        self.sent = 0
        """Requests sent, repetitions with a renewed token included."""
        self._part_s = 0.0
        """The part of the rate that this process was allowed to use, times seconds, from the first to the last."""
        self.cuts = 0
        """Cuts of the rate because of 429 answers."""
        self._paused_since, self._past_paused_s = 0.0, 0.0
        self.outages, self._past_outage_s = 0, 0.0
        self._cut_reported_at, self._is_cut_reported = float("-inf"), False
        self._approach_s = self._approached_s = 0.0
        """How long the last admitted request, and the last prepared one, waited for the limit before."""
        self._preparation_time = 0.0
        self._is_deferred = False
        """The smoothed time from admission to the request for a permit, in seconds."""

    def on_failure(self, last_error: str = "", *, opens: bool = True) -> None:
        """A request got no answer, or an answer that shows a problem of the service.

        `last_error`: its description. `opens`: see `CircuitBreaker`.
        """
        self._failures += 1
        self.last_error = last_error or self.last_error
        self.last_failure = self._time()
        self.breaker.on_failure(self.last_failure, draw(self._seed, "probe", self.name, self._failures), opens=opens)
        if last_error and self.breaker.is_open:
            self.report_outage(last_error)

    def on_outage(self) -> None:
        """Requests of another class fail as the last ones of this class did: from now on, probe."""
        self._failures += 1
        self.breaker.open(self._time(), draw(self._seed, "probe", self.name, self._failures))

    @property
    def allowed_rate(self) -> float:
        """The rate per second that is allowed now, apart from pauses and outages."""
        return self.adaptive_rate.rate * self.limiter.part

    @property
    def sent_per_s(self) -> float | None:
        """Requests per second, from the first one of the session to the last; None for fewer than two."""
        lasted = self.last_sent - self.first_sent
        return (self.sent - 1) / lasted if self.sent > 1 and lasted > 0 else None

    @property
    def mean_part(self) -> float:
        """The mean of `limiter.part` from the first request of the session to the last."""
        lasted = self.last_sent - self.first_sent
        return self._part_s / lasted if self.sent > 1 and lasted > 0 else self.limiter.part

    @property
    def held_until(self) -> float:
        """The end of the last pause, also if another class or another job was asked to pause (event loop time)."""
        return max(self._held_until, self.pause.until)

    def hold(self, until: float) -> None:
        """Send nothing before `until` (event loop time)."""
        if self._time() >= self._held_until:
            self.held_since = self._time()
        self._held_until = max(self._held_until, until)
        self.limiter.pause(until)

    def report_outage(self, error: str) -> None:
        """Report once that the service is waited for, until it answers again; see `SHORT_OUTAGE`."""
        if self._reported_at is None:
            self._reported_at, self._unreported = self._time(), error
            self.outages += 1
            self.report_long_outage()

    def report_long_outage(self) -> None:
        """Call this once a second. It reports an outage that has turned out not to be short."""
        if not self._unreported or self._reported_at is None:
            return
        if self.last_success == float("-inf") or self._time() - self._reported_at >= SHORT_OUTAGE:
            patience = in_words(self._patience)
            log.warning("%ss: service unavailable, waiting up to %s: %s", self.name, patience, self._unreported)
            self._unreported = ""

    def on_success(self) -> None:
        """A request got an answer that shows that the service works."""
        self.breaker.on_success()
        self.last_success = self._time()
        if self._reported_at is not None:
            lasted = self.last_success - self._reported_at
            self._past_outage_s += lasted
            if self._unreported:
                log.info("%ss: service unavailable for %s: %s", self.name, in_words(lasted), self._unreported)
            else:
                log.warning("%ss: service available again after %s", self.name, in_words(lasted))
            self._reported_at, self._unreported = None, ""
        self.changed.set()

    def on_paused(self, now: float, previous_end: float) -> None:
        """A pause begins, or the one until `previous_end` is prolonged."""
        if now >= previous_end:
            self._past_paused_s += previous_end - self._paused_since
            self._paused_since = now

    @property
    def paused_s(self) -> float:
        """Seconds of pauses after 429 answers."""
        return self._past_paused_s + min(self._time(), self.pause.until) - self._paused_since

    def defer(self, *, deferred: bool) -> None:
        """Prepare no request while `deferred`: another process probes the service."""
        if deferred != self._is_deferred:
            self._is_deferred = deferred
            self.changed.set()

    @property
    def seconds_until_probe(self) -> float:
        """Seconds until the next probe of an outage. A probe is made when it has lasted for as long as is waited."""
        now, since = self._time(), self.breaker.since
        wait = self.breaker.seconds_until_probe(now)
        if since is None:
            return wait
        end = max(since, self.last_success) + self._patience
        return wait if self.last_failure >= end else min(wait, max(0.0, end + AFTER - now))

    @property
    def unavailable_since(self) -> float | None:
        """When the service was reported unavailable (event loop time); None while it is not."""
        return self._reported_at

    @property
    def outage_s(self) -> float:
        """Seconds for which the service was reported unavailable."""
        since = self._reported_at
        return self._past_outage_s + (0.0 if since is None else self._time() - since)

    def on_prepared(self) -> bool:
        """The preparation of an admitted request begins. Returns whether the request is a probe."""
        self.unsent += 1
        self.outstanding += 1
        self._approached_s = self._approach_s
        probe = self.breaker.is_open
        self.probing += probe
        return probe

    async def permit(self, prepared_since: float, *, again: bool = False) -> float:
        """Wait for a permit and return its time. `prepared_since`: when the request was admitted (event loop time).

        `again`: the request has had a permit before.
        """
        asked = self._time()
        self._preparation_time += 0.1 * (asked - prepared_since - self._preparation_time)
        at = await self.limiter.permit()
        self.adaptive_rate.on_sent(at)
        self.sent += 1
        if self.sent == 1:
            self.first_sent = at
        else:
            self._part_s += self.limiter.part * (at - self.last_sent)
        self.last_sent = at
        if not again:
            self.waits.add(at - asked + self._approached_s)
            self.unsent -= 1
            self.changed.set()
        return at

    async def admit(self, *, single: bool = False, max_unsent: int) -> None:
        """Wait until another request may be prepared: as long before its permit as the preparation takes.

        `single`: only if no other request is outstanding.
        """
        if single or self.breaker.is_open or self._is_deferred or self.unsent >= max_unsent:
            await self._until_admitted(single=single, max_unsent=max_unsent)
        self._approach_s = 0.0
        if not self.limiter.is_near(self.unsent, MIN_LEAD):
            lead, began = min(MAX_LEAD, MIN_LEAD + 2 * self._preparation_time), self._time()
            await self.limiter.approach(lambda: self.unsent, lead)
            self._approach_s = self._time() - began

    def apply_rate(self, *, is_cut: bool) -> None:
        """Set the limiter to the adaptive rate, and log a change. `is_cut`: requests of this class were throttled."""
        adaptive = self.adaptive_rate
        if adaptive.rate == self._rate:
            return
        self._rate = adaptive.rate
        self.limiter.slow_to(adaptive.share)
        quota = f" (quota about {adaptive.quota:.3g}/s)" if adaptive.quota is not None else ""
        if is_cut:
            self.cuts += 1
            is_reported = self.cuts <= REPORTED_CUTS or self._time() - self._cut_reported_at >= REPORT_INTERVAL
            if is_reported:
                self._cut_reported_at, self._is_cut_reported = self._time(), True
            level = logging.WARNING if is_reported else logging.INFO
            log.log(level, "429: %ss slowed to %.3g/s of %.3g/s%s", self.name, self._rate, adaptive.ceiling, quota)
        elif adaptive.share == 1 and self._is_cut_reported:
            self._is_cut_reported = False
            log.warning("%ss back at %.3g/s", self.name, self._rate)
        else:
            log.info("%ss: %.3g/s of %.3g/s%s", self.name, self._rate, adaptive.ceiling, quota)

    def on_done(self, *, sent: bool, probe: bool) -> None:
        """A request was answered or abandoned."""
        self.outstanding -= 1
        self.probing -= probe
        if not sent:
            self.unsent -= 1
        self.changed.set()

    async def _until_admitted(self, *, single: bool, max_unsent: int) -> None:
        while True:
            # A probe does not wait for requests from before the outage: a synchronous run may be answered much later.
            others = self.outstanding if single else self.probing if self.breaker.is_open else 0
            if others or self._is_deferred or self.unsent >= max_unsent:
                self.changed.clear()
                await self.changed.wait()
            elif (wait := self.seconds_until_probe) > 0:
                self.changed.clear()
                await wait_until(self.changed, self._time() + wait)
            else:
                return
