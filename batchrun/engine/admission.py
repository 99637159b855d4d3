"""Decides when a request may be prepared and sent: not during a pause after a 429, and one at a time in an outage."""

import asyncio
import logging
from datetime import UTC, datetime

from batchrun.domain.answers import Refusal
from batchrun.domain.circuit_breaker import MAX_PROBE_DELAY
from batchrun.domain.rate_control import MAX_DEFAULT_PAUSE
from batchrun.domain.time_words import in_words
from batchrun.engine.request_class import RequestClass

log = logging.getLogger("batchrun")


SILENT_PAUSE = 10.0
"""Pauses up to this length, in seconds, are not reported."""


def pause_end(seconds: float, wall_clock: int) -> str:
    """The end of a pause that begins at `wall_clock` (UTC milliseconds), for a message."""
    try:
        return f"until {datetime.fromtimestamp(wall_clock / 1000 + seconds, UTC):%Y-%m-%d %H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return "for longer than anybody can wait"


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
        self.classes = (submits, polls) if uploads is None else (submits, polls, uploads)
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
        previous_end = pause.until
        is_longer = pause.on_throttled(now, sent_at, refusal.retry_after, requests.last_success)
        if is_longer:
            requests.on_paused(now, previous_end)
            requests.throttled_by = said
        if is_longer and pause.until - now > SILENT_PAUSE:
            end = pause_end(pause.until - now, wall_clock)
            log.warning("%ss pause for %s, %s: %s", requests.name, in_words(round(pause.until - now)), end, said)
        for one in self.classes:
            one.hold(pause.until if one is requests else min(pause.until, now + MAX_DEFAULT_PAUSE))
        self.slow_down(requests, now, sent_at)

    def slow_down(self, requests: RequestClass, now: float, sent_at: float) -> bool:
        """Cut the rates because of a 429 for a request of this class. Returns whether there was reason to."""
        if not self._adaptive or not requests.adaptive_rate.on_throttled(now, sent_at, requests.limiter.part):
            return False
        for one in self.classes:
            if one is not requests:
                one.adaptive_rate.on_other_throttled(now)
            one.apply_rate(is_cut=one is requests)
        return True

    def tick(self) -> None:
        """Call this once a second. It reports outages, and lets a reduced rate grow if the rate limits the job."""
        now = asyncio.get_running_loop().time()
        for requests in self.classes:
            requests.report_long_outage()
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
                requests.apply_rate(is_cut=False)
        self._ticked_at = now

    def _keep_pause_of_others(self, requests: RequestClass, now: float) -> None:
        until = requests.limiter.paused_by_others_until
        if requests.pause.on_others_throttled(now, until, requests.last_success):
            requests.throttled_by = "another process with the same limits was asked to wait"
            if until - now > SILENT_PAUSE:
                seconds = in_words(round(until - now))
                log.warning("%ss pause for %s: %s", requests.name, seconds, requests.throttled_by)

    @property
    def last_success(self) -> float:
        """Time of the last success of any request, in event loop time."""
        return max(requests.last_success for requests in self.classes)

    @property
    def is_out(self) -> bool:
        """Whether the circuit of submissions or polls is open."""
        return self.submits.breaker.is_open or self.polls.breaker.is_open

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
        return max(self.classes, key=lambda requests: requests.last_failure).last_error

    def pause_too_long(self) -> str | None:
        """Why requests have waited for `max_outage` seconds and are to wait longer; None if no pause is so long."""
        now = asyncio.get_running_loop().time()
        if now < self._no_outage_until:
            return None
        for requests in self.classes:
            if requests.pause.exceeds(self._max_outage, now):
                return f"{requests.name}s are still to wait: {requests.throttled_by}"
        return None

    def outage_too_long(self) -> bool:
        """Whether requests have failed for `max_outage` seconds without a success."""
        if asyncio.get_running_loop().time() < self._no_outage_until:
            return False
        return any(self._is_out(requests, self.last_success) for requests in self.classes)

    def _is_out(self, requests: RequestClass, last_success: float) -> bool:
        # The time is measured from failure to failure: while no request is sent, nothing is known. The same is true
        # while another request than a probe is outstanding: a synchronous run may take longer than `max_outage`.
        since = requests.breaker.since
        if since is None or requests.outstanding > requests.probing:
            return False
        return requests.last_failure - max(since, last_success) >= self._max_outage
