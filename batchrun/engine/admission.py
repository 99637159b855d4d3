"""Decides when a request may be prepared and sent: not during a pause after a 429, and one at a time in an outage."""

import asyncio
import logging
from datetime import UTC, datetime

from batchrun.domain.answers import Refusal
from batchrun.domain.circuit_breaker import MAX_PROBE_DELAY, CircuitBreaker
from batchrun.domain.randomness import draw
from batchrun.domain.rate_control import MAX_DEFAULT_PAUSE, AdaptiveRate, ThrottlePause
from batchrun.domain.time_words import in_words
from batchrun.engine.wait_until import wait_until
from batchrun.ports import RateLimiter

log = logging.getLogger("batchrun")

MIN_LEAD, MAX_LEAD = 0.02, 1.0
"""The least and the most seconds between the start of the preparation of a request (intent committed, connection
opened) and its permit."""


SILENT_PAUSE = 10.0
"""Pauses up to this length, in seconds, are not reported."""


def pause_end(seconds: float, wall_clock: int) -> str:
    """The end of a pause that begins at `wall_clock` (UTC milliseconds), for a message."""
    try:
        return f"until {datetime.fromtimestamp(wall_clock / 1000 + seconds, UTC):%Y-%m-%d %H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return "for longer than anybody can wait"


class RequestClass:
    """One class of requests (submissions, polls or uploads): its rate, circuit breaker and outstanding requests."""

    def __init__(self, name: str, limiter: RateLimiter, seed: int, patience: float) -> None:
        self.name = name
        self._patience = patience
        self._reported_at: float | None = None
        self.limiter = limiter
        self.adaptive_rate = AdaptiveRate(limiter.rate)
        self.breaker = CircuitBreaker()
        self.pause = ThrottlePause()
        self.throttled_by = ""
        """The last refusal that asked for a pause."""
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
        self._preparation_time = 0.0
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

    def report_outage(self, error: str) -> None:
        """Report once that the service is waited for, until it answers again."""
        if self._reported_at is None:
            self._reported_at = self._time()
            log.warning("%ss: service unavailable, waiting up to %s: %s", self.name, in_words(self._patience), error)

    def on_success(self) -> None:
        """A request got an answer that shows that the service works."""
        self.breaker.on_success()
        self.last_success = self._time()
        if self._reported_at is not None:
            log.warning(
                "%ss: service available again after %s", self.name, in_words(self.last_success - self._reported_at)
            )
            self._reported_at = None
        self.changed.set()

    def on_prepared(self) -> bool:
        """The preparation of an admitted request begins. Returns whether the request is a probe."""
        self.unsent += 1
        self.outstanding += 1
        probe = self.breaker.is_open
        self.probing += probe
        return probe

    async def permit(self, prepared_since: float, *, again: bool = False) -> float:
        """Wait for a permit and return its time. `prepared_since`: when the request was admitted (event loop time).

        `again`: the request has had a permit before.
        """
        took = self._time() - prepared_since
        self._preparation_time += 0.1 * (took - self._preparation_time)
        at = await self.limiter.permit()
        self.adaptive_rate.on_sent(at)
        if not again:
            self.unsent -= 1
            self.changed.set()
        return at

    async def admit(self, *, single: bool = False, max_unsent: int) -> None:
        """Wait until another request may be prepared: as long before its permit as the preparation takes.

        `single`: only if no other request is outstanding.
        """
        if single or self.breaker.is_open or self.unsent >= max_unsent:
            await self._until_admitted(single=single, max_unsent=max_unsent)
        if not self.limiter.is_near(self.unsent, MIN_LEAD):
            lead = min(MAX_LEAD, MIN_LEAD + 2 * self._preparation_time)
            await self.limiter.approach(lambda: self.unsent, lead)

    def apply_rate(self, reason: str) -> None:
        """Set the limiter to the adaptive rate, and log the reason if the rate has changed."""
        adaptive = self.adaptive_rate
        if adaptive.rate != self._rate:
            self._rate = adaptive.rate
            self.limiter.slow_to(adaptive.share)
            quota = f", of a quota of about {adaptive.quota:.4g}" if adaptive.quota is not None else ""
            log.info("%ss: %.4g a second of %.4g%s: %s", self.name, adaptive.rate, adaptive.ceiling, quota, reason)

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
            if others or self.unsent >= max_unsent:
                self.changed.clear()
                await self.changed.wait()
            elif (wait := self.breaker.seconds_until_probe(self._time())) > 0:
                self.changed.clear()
                await wait_until(self.changed, self._time() + wait)
            else:
                return


class Admission:
    """The request classes and what they share: the reaction to a 429, and the limit on the length of an outage.

    `max_outage`: see `outage_too_long`. `adaptive`: whether a 429 also changes the rate after its pause. `uploads`:
    None if the job uploads no files.
    """

    def __init__(
        self,
        submits: RequestClass,
        polls: RequestClass,
        max_outage: float,
        *,
        adaptive: bool = True,
        uploads: RequestClass | None = None,
    ) -> None:
        self.submits = submits
        self.polls = polls
        self.uploads = uploads
        self._classes = (submits, polls) if uploads is None else (submits, polls, uploads)
        self._adaptive = adaptive
        self._max_outage = max_outage
        self._ticked_at = float("-inf")
        self._no_outage_until = float("-inf")

    def throttled(
        self, requests: RequestClass, sent_at: float, refusal: Refusal, wall_clock: int, row: int | None = None
    ) -> None:
        """A request of this class, sent at `sent_at` (event loop time), got a 429: pause, and cut rates.

        The pause that the service requests is for this class. The others keep it as well, up to half a minute, because
        the classes may share a quota. `wall_clock`: UTC milliseconds. It and the row that the request is about are for
        the message.
        """
        now = asyncio.get_running_loop().time()
        pause, said = requests.pause, str(refusal) if row is None else f"row {row}: {refusal}"
        is_longer = pause.on_throttled(now, sent_at, refusal.retry_after, requests.last_success)
        if is_longer:
            requests.throttled_by = said
        if is_longer and pause.until - now > SILENT_PAUSE:
            end = pause_end(pause.until - now, wall_clock)
            log.warning("%ss pause for %s, %s: %s", requests.name, in_words(round(pause.until - now)), end, said)
        for one in self._classes:
            one.limiter.pause(pause.until if one is requests else min(pause.until, now + MAX_DEFAULT_PAUSE))
        if self._adaptive and requests.adaptive_rate.on_throttled(now, sent_at, requests.limiter.part):
            for one in self._classes:
                if one is not requests:
                    one.adaptive_rate.on_other_throttled(now)
                one.apply_rate(f"{requests.name}s are throttled")

    def tick(self) -> None:
        """Call this once a second. It lets a reduced rate grow if the rate limits the job."""
        now = asyncio.get_running_loop().time()
        for requests in self._classes:
            self._keep_pause_of_others(requests, now)
            paused_until = requests.pause.until
            succeeded = requests.last_success > max(paused_until, self._ticked_at)
            if (
                requests.adaptive_rate.share < 1
                and requests.limiter.saturated
                and succeeded
                and now - paused_until >= 1
            ):
                requests.adaptive_rate.on_success(now)
                requests.apply_rate("requests are taken")
        self._ticked_at = now

    def _keep_pause_of_others(self, requests: RequestClass, now: float) -> None:
        until = requests.limiter.paused_by_others_until
        if requests.pause.on_others_throttled(now, until, requests.last_success):
            requests.throttled_by = "another job with the same --share-limits was asked to wait"
            if until - now > SILENT_PAUSE:
                seconds = in_words(round(until - now))
                log.warning("%ss pause for %s: %s", requests.name, seconds, requests.throttled_by)

    @property
    def last_success(self) -> float:
        """Time of the last success of any request, in event loop time."""
        return max(requests.last_success for requests in self._classes)

    @property
    def has_succeeded(self) -> bool:
        """Whether any request of this session has succeeded."""
        return self.last_success > float("-inf")

    def postpone_outage(self, until: float) -> None:
        """Do not give up before `until` (event loop time), when runs end whose time is up."""
        self._no_outage_until = max(self._no_outage_until, until + MAX_PROBE_DELAY)

    @property
    def last_error(self) -> str:
        """The message of the last failure; empty if it had none."""
        return max(self._classes, key=lambda requests: requests.last_failure).last_error

    def pause_too_long(self) -> str | None:
        """Why requests have waited for `max_outage` seconds and are to wait longer; None if no pause is so long."""
        now = asyncio.get_running_loop().time()
        if now < self._no_outage_until:
            return None
        for requests in self._classes:
            if requests.pause.exceeds(self._max_outage, now):
                return f"{requests.name}s are still to wait: {requests.throttled_by}"
        return None

    def outage_too_long(self) -> bool:
        """Whether requests have failed for `max_outage` seconds without a success."""
        if asyncio.get_running_loop().time() < self._no_outage_until:
            return False
        return any(self._is_out(requests, self.last_success) for requests in self._classes)

    def _is_out(self, requests: RequestClass, last_success: float) -> bool:
        # The time is measured from failure to failure: while no request is sent, nothing is known. The same is true
        # while another request than a probe is outstanding: a synchronous run may take longer than `max_outage`.
        since = requests.breaker.since
        if since is None or requests.outstanding > requests.probing:
            return False
        return requests.last_failure - max(since, last_success) >= self._max_outage
