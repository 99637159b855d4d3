"""When a request may leave at all: after the pause that the service asked for, and one at a time in an outage."""

import asyncio
import logging

from batchrun.domain.chance import draw
from batchrun.domain.outage import Outage
from batchrun.domain.throttle import Pause, RateControl
from batchrun.engine.waiting import wait_until
from batchrun.ports import RateLimiter

log = logging.getLogger("batchrun")

SHORTEST_LEAD, LONGEST_LEAD = 0.02, 1.0
"""Seconds before its permit from which on a request is prepared (its intent committed, its connection opened)."""


class Lane:
    """One sort of request (submissions, or polls) on its way through the gate."""

    def __init__(self, name: str, pacer: RateLimiter, seed: int) -> None:
        self.name = name
        self.pacer = pacer
        self.control = RateControl(pacer.rate)
        self.outage = Outage()
        self.unsent = 0
        """Requests that are prepared and wait for their permit."""
        self.in_air = 0
        """Requests that are prepared or sent and not answered."""
        self.probing = 0
        """Those of them that were prepared while the service was out."""
        self.changed = asyncio.Event()
        self.last_good = float("-inf")
        """When a request was last answered well, in the loop's time."""
        self.last_bad = float("-inf")
        """When one last failed."""
        self.trouble = ""
        """What was wrong when one last failed, as far as it was said."""
        self._seed = seed
        self._time = asyncio.get_running_loop().time
        self._rate = pacer.rate
        self._failures = 0
        self._preparation = 0.0

    def failed(self, trouble: str = "") -> None:
        """No answer, or one that says that the service is not well; `trouble`: what was wrong, in words."""
        self._failures += 1
        self.trouble = trouble or self.trouble
        declared = self.outage.declared
        self.last_bad = self._time()
        self.outage.failed(self.last_bad, draw(self._seed, "probe", self.name, self._failures))
        if trouble and self.outage.declared and not declared:
            log.warning("the service is out, and is waited for: %s", trouble)

    def succeeded(self) -> None:
        """The service answered: it is well."""
        self.outage.succeeded()
        self.last_good = self._time()
        self.changed.set()

    def entered(self) -> bool:
        """A request is prepared; whether it is a probe."""
        self.unsent += 1
        self.in_air += 1
        probe = self.outage.declared
        self.probing += probe
        return probe

    async def permit(self, prepared_since: float, *, again: bool = False) -> float:
        """Wait for the permit of a request prepared since then; when it was given (both loop time).

        `again`: it had one before.
        """
        took = self._time() - prepared_since
        self._preparation += 0.1 * (took - self._preparation)
        at = await self.pacer.permit()
        self.control.sent(at)
        if not again:
            self.unsent -= 1
            self.changed.set()
        return at

    async def clear(self, *, single: bool = False, most_unsent: int) -> None:
        """Wait until another request may be prepared: as long before its permit as preparing takes.

        `single`: only when no other is in the air.
        """
        if single or self.outage.declared or self.unsent >= most_unsent:
            await self._open(single=single, most_unsent=most_unsent)
        if not self.pacer.is_near(self.unsent, SHORTEST_LEAD):
            lead = min(LONGEST_LEAD, SHORTEST_LEAD + 2 * self._preparation)
            await self.pacer.approach(lambda: self.unsent, lead)

    def follow(self, because: str) -> None:
        """Let the pacer have the rate that the control has found."""
        control = self.control
        if control.rate != self._rate:
            self._rate = control.rate
            self.pacer.slow_to(control.share)
            known = f", of a quota of about {control.quota:.4g}" if control.quota is not None else ""
            log.info("%ss: %.4g a second of %.4g%s: %s", self.name, control.rate, control.ceiling, known, because)

    def left(self, *, sent: bool, probe: bool) -> None:
        """It was answered, or given up."""
        self.in_air -= 1
        self.probing -= probe
        if not sent:
            self.unsent -= 1
        self.changed.set()

    async def _open(self, *, single: bool, most_unsent: int) -> None:
        while True:
            # A probe need not wait for what left before the outage: a synchronous run may take an hour to be answered.
            others = self.in_air if single else self.probing if self.outage.declared else 0
            if others or self.unsent >= most_unsent:
                self.changed.clear()
                await self.changed.wait()
            elif (wait := self.outage.wait(self._time())) > 0:
                self.changed.clear()
                await wait_until(self.changed, self._time() + wait)
            else:
                return


class Gate:
    """Both lanes, and what they share: the pause of a 429, and the patience with an outage.

    `adaptive`: whether a 429 also changes the rate, and not for the length of its pause alone.
    """

    def __init__(self, submits: Lane, polls: Lane, max_outage: float, *, adaptive: bool = True) -> None:
        self.submits = submits
        self.polls = polls
        self._pause = Pause()
        self._adaptive = adaptive
        self._max_outage = max_outage
        self._ticked_at = float("-inf")

    def throttled(self, lane: Lane, sent_at: float, retry_after: float | None) -> None:
        """A request of `lane` that left at `sent_at` (loop time) was answered by a 429: every request slows down."""
        now = asyncio.get_running_loop().time()
        lanes = (self.submits, self.polls)
        self._pause.hit(now, sent_at, retry_after, max(one.last_good for one in lanes))
        for one in lanes:
            one.pacer.pause(self._pause.until)
        if self._adaptive and lane.control.hit(now, sent_at):
            for one in lanes:
                if one is not lane:
                    one.control.brake(now)
                one.follow(f"{lane.name}s are throttled")

    def tick(self) -> None:
        """Once a second: let a rate grow again where it is what holds the job back."""
        now = asyncio.get_running_loop().time()
        for lane in (self.submits, self.polls):
            taken = lane.last_good > max(self._pause.until, self._ticked_at)
            if lane.control.share < 1 and lane.pacer.saturated and taken and now - self._pause.until >= 1:
                lane.control.good(now)
                lane.follow("requests are taken")
        self._ticked_at = now

    @property
    def trouble(self) -> str:
        """What was wrong when a request last failed; empty where nobody said."""
        return max(self.submits, self.polls, key=lambda lane: lane.last_bad).trouble

    def out_of_patience(self) -> bool:
        """Whether the service has been out for `max_outage` seconds in which no request succeeded."""
        lanes = (self.submits, self.polls)
        last_good = max(lane.last_good for lane in lanes)
        return any(self._is_out(lane, last_good) for lane in lanes)

    def _is_out(self, lane: Lane, last_good: float) -> bool:
        # Measured from failure to failure: while nothing is asked, nothing is known. Nor is it while the service may be
        # at work on a request that is no probe: the answer to a synchronous run may take longer than our patience.
        since = lane.outage.since
        if since is None or lane.in_air > lane.probing:
            return False
        return lane.last_bad - max(since, last_good) >= self._max_outage
