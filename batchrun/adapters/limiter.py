"""Pacing with aiolimiter."""

import asyncio

from aiolimiter import AsyncLimiter

from batchrun.domain.pacing import bucket, window


class Pacer:
    """Gives permits at a rate, with no burst at the start, after a pause or after a change of the rate.

    `shared` is a further pacer that every permit must pass as well (`--total-rps`).
    """

    def __init__(self, rate: float, shared: "Pacer | None" = None) -> None:
        self._ceiling = rate
        self._rate = rate
        self._shared = shared
        self._limiter = self._build()
        self._fresh = True
        self._until = 0.0
        self._last = float("-inf")
        self._waiting = 0
        self._turn = asyncio.Lock()

    @property
    def saturated(self) -> bool:
        """Whether somebody is waiting for a permit."""
        return self._waiting > 0

    @property
    def window(self) -> float:
        """Seconds over which the limit is counted."""
        return window(self._ceiling)

    def slow_to(self, share: float) -> None:
        """Use only this share of the rate from now on."""
        rate = self._ceiling * share
        if rate != self._rate:
            # aiolimiter computes its leak once: another rate is another limiter, and it must not begin with an
            # empty bucket, which would be a burst.
            self._rate, self._limiter, self._fresh = rate, self._build(), False

    def pause(self, until: float) -> None:
        """Give no permit before this time of the loop."""
        self._until = max(self._until, until)

    async def approach(self, ahead: int, lead: float) -> None:
        """Wait until a permit is at most `lead` seconds away; `ahead` others are on their way to one already."""
        loop = asyncio.get_running_loop()
        while True:
            leak = self._limiter.max_rate / self._limiter.time_period
            expected = max(self._last + (ahead + 1) / leak, self._until)
            if (wait := expected - loop.time() - lead) <= 0:
                return
            await asyncio.sleep(wait)

    async def permit(self) -> None:
        """Wait for leave to send one request now."""
        self._waiting += 1
        try:
            # One at a time: a request that waits for the shared permit must not let its neighbours bunch behind it.
            async with self._turn:
                if self._shared is not None:
                    await self._shared.permit()
                await self._own_permit()
        finally:
            self._waiting -= 1

    async def _own_permit(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if (wait := self._until - loop.time()) > 0:
                await asyncio.sleep(wait)
                continue
            limiter = self._limiter
            if not self._fresh:
                self._fresh = True
                await limiter.acquire(limiter.max_rate)
            await limiter.acquire()
            if self._until <= loop.time() and limiter is self._limiter:
                self._last = loop.time()
                return

    def _build(self) -> AsyncLimiter:
        shape = bucket(self._rate)
        return AsyncLimiter(shape.size, shape.period)
