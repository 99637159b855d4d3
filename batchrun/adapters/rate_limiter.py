"""Rate limiting with aiolimiter."""

import asyncio
import math
from collections import deque
from collections.abc import Callable

from aiolimiter import AsyncLimiter

from batchrun.domain.sliding_window import SlidingWindow, bucket, window

SHARED_RETRY = 0.002
"""Check a shared limit again after 2 ms."""
NO_LIMIT = 100_000.0
"""A shared limit from which on it is counted, but not waited for. No process sends so many requests."""
LONGEST_NAP = 0.25
"""Seconds after which `approach` looks again whether the rate is another one."""


class Pacer:
    """Grants permits at a rate, without a burst at the start, after a pause or after a change of the rate.

    `shared`: a second pacer that must grant every permit too (`--total-rps`). The pacers that share it take turns.
    `is_leased`: no permit is granted without a lease (see `lease`).
    """

    def __init__(self, rate: float, shared: "Pacer | None" = None, *, is_leased: bool = False) -> None:
        self._ceiling = rate
        self._rate = rate
        self._leased_rate = rate
        self._share = 1.0
        self._leased_until = -math.inf if is_leased else math.inf
        self._lease_changed = asyncio.Event()
        self._shared = shared
        self._sharers: list[Pacer] = []
        if shared is not None:
            shared._sharers.append(self)
        self.paused_by_others_until = -math.inf
        """The end of the last pause that was asked of another process."""
        self.on_pause: Callable[[float], None] | None = None
        """Called with the end of each pause, those of others excepted."""
        self._time = asyncio.get_running_loop().time
        self._limiter = self._build_limiter()
        self._window = SlidingWindow(rate)
        self._paused_until = 0.0
        self._last_permit_at = float("-inf")
        self._waiters = 0
        self._has_leader = False
        self._queue: deque[asyncio.Future[float | None]] = deque()
        self._turns: deque[Pacer] = deque()

    @property
    def rate(self) -> float:
        """The maximum rate in permits per second."""
        return self._ceiling

    @property
    def saturated(self) -> bool:
        """Whether a caller waits in `permit` or `approach`."""
        return self._waiters > 0

    @property
    def window(self) -> float:
        """The seconds over which the limit counts permits."""
        return window(self._ceiling)

    @property
    def part(self) -> float:
        """The part of the maximum rate that was leased last; 1 without leases."""
        return self._leased_rate / self._ceiling

    def slow_to(self, share: float) -> None:
        """Use only this share (0 to 1) of the maximum rate, or of what is leased of it, from the next permit on."""
        self._share = share
        self._rate = self._leased_rate * share
        self._window.slow_to(self._rate)

    def lease(self, rate: float, until: float) -> None:
        """Grant permits at this rate from the next one on, and none from the loop time `until` on. A rate may be 0."""
        if rate > 0 and rate != self._leased_rate:
            self._leased_rate = rate
            self.slow_to(self._share)
        self._leased_until = until if rate > 0 else -math.inf
        self._lease_changed.set()

    @property
    def in_use(self) -> int:
        """How many permits the service may still count."""
        return self._window.count(self._time())

    @property
    def is_short(self) -> bool:
        """Whether a caller has to wait, because this pacer has granted all that its rate allows, or has no lease.

        The reason is not the pacer with which this one shares its permits.
        """
        now = self._time()
        if now < self._leased_until and self._window.next_permit_at(now) <= now:
            return False
        for pacer in self._sharers or [self]:
            if pacer._waiters:
                own = pacer._expected_at(1)
                total = -math.inf if pacer._total is None else pacer._total._expected_at(1)
                at = own if pacer is self else total
                if at > now and at >= max(own, total):
                    return True
        return False

    def pause(self, until: float) -> None:
        """Grant no permit before this loop time."""
        self._paused_until = max(self._paused_until, until)
        if self.on_pause is not None:
            self.on_pause(until)

    def pause_for_others(self, until: float) -> None:
        """Grant no permit before this loop time, as was asked of another process."""
        self.paused_by_others_until = max(self.paused_by_others_until, until)
        self._paused_until = max(self._paused_until, until)

    async def approach(self, ahead: Callable[[], int], lead: float) -> None:
        """Wait until a permit is at most `lead` seconds away. `ahead()`: how many callers get theirs first."""
        while True:
            expected = self._expected_at(ahead() + 1)
            if self._total is not None:
                expected = max(expected, self._total._expected_at(1))
            if (wait := expected - self._time() - lead) <= 0:
                return
            self._waiters += 1
            try:
                if (unleased := self._without_lease()) is not None:
                    await unleased._until_leased()
                else:
                    await asyncio.sleep(min(wait, LONGEST_NAP))
            finally:
                self._waiters -= 1

    def is_near(self, ahead: int, lead: float) -> bool:
        """Whether a permit is at most `lead` seconds away after `ahead` others. False if the limit is shared."""
        now = self._time()
        soon = now + lead
        first = max(self._last_permit_at + self._interval, now)  # unused time is not made up for
        return (
            first + ahead * self._interval <= soon
            and self._paused_until <= soon
            and self._window.has_room(ahead + 1)
            and soon < self._leased_until
            and self._total is None
        )

    def _expected_at(self, number: int) -> float:
        """The earliest loop time of the permit with this `number`, where 1 is the next one."""
        now = self._time()
        if now >= self._leased_until:
            return math.inf
        first = max(self._last_permit_at + self._interval, self._paused_until, self._window.next_permit_at(now))
        return first + (number - 1) * self._interval

    async def permit(self) -> float:
        """Wait for a permit to send one request now, first come, first served. Returns its unique loop time."""
        self._waiters += 1
        try:
            if self._has_leader and (at := await self._wait_in_queue()) is not None:
                return at
            self._has_leader = True
            try:
                at = await self._next_permit()
                if self._queue:
                    await self._serve_queue()
                return at
            finally:
                self._yield_turn()
                self._hand_over_lead()
        finally:
            self._waiters -= 1

    def answered(self, at: float) -> None:
        """The response to the request with the permit of `at` was received. It bounds how late the request arrived."""
        now = self._time()
        self._window.on_answer(at, now)
        if self._shared is not None:
            self._shared._window.on_answer(at, now)

    # Only the leader of the queue uses the limiter. One permit per loop iteration would not reach the rate while the
    # loop is busy, so the leader also hands the permits that the bucket still holds to the callers behind it.

    async def _wait_in_queue(self) -> float | None:
        """Wait in the queue. Returns the time of a permit from the leader, or None if the caller is the new leader."""
        waiter: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self._queue.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result() is None:
                self._hand_over_lead()
            raise

    def _hand_over_lead(self) -> None:
        """Make the next caller in the queue the leader."""
        self._has_leader = False
        while self._queue and not self._has_leader:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._has_leader = True

    async def _next_permit(self) -> float:
        while True:
            now, total = self._time(), self._total
            if (unleased := self._without_lease()) is not None:
                self._yield_turn()
                await unleased._until_leased()
                continue
            ready_at = max(self._paused_until, self._window_opens_at(now))
            if total is not None:
                ready_at = max(ready_at, total._paused_until, total._window_opens_at(now))
            if ready_at > now:
                self._yield_turn()
                await asyncio.sleep(ready_at - now)
            elif total is None:
                await self._limiter.acquire()
                now = self._time()
                if self._paused_until <= now < self._leased_until and self._window_opens_at(now) <= now:
                    return await self._record_permit(now)
            elif self._limiter.has_capacity() and self._has_turn(total) and total._limiter.has_capacity():
                # Take both at once: a permit that waits for the other one would be outdated when it is used.
                await self._limiter.acquire()
                await total._limiter.acquire()
                return await self._record_permit(self._time())
            else:
                await asyncio.sleep(SHARED_RETRY)

    @property
    def _total(self) -> "Pacer | None":
        """The shared pacer; None if it sets no limit."""
        return None if self._shared is None or self._shared._rate >= NO_LIMIT else self._shared

    def _without_lease(self) -> "Pacer | None":
        """This pacer or the shared one, if its lease has run out."""
        now = self._time()
        if now >= self._leased_until:
            return self
        return self._shared if self._shared is not None and now >= self._shared._leased_until else None

    async def _until_leased(self) -> None:
        self._lease_changed.clear()
        await self._lease_changed.wait()

    # Without turns the pacer with the higher limit of its own would get all permits of the shared one.

    def _has_turn(self, shared: "Pacer") -> bool:
        """Whether no other pacer has waited longer for the shared limit."""
        if self not in shared._turns:
            shared._turns.append(self)
        return shared._turns[0] is self

    def _yield_turn(self) -> None:
        if self._shared is not None and self in self._shared._turns:
            self._shared._turns.remove(self)

    def _window_opens_at(self, now: float) -> float:
        return now if self._window.has_room(1) else self._window.next_permit_at(now)

    async def _record_permit(self, at: float) -> float:
        """Record a permit. Then apply a new rate, if any: the bucket is full now, and no caller loses its wait."""
        if self._shared is not None:
            at = await self._shared._record_permit(at)
        self._last_permit_at = self._window.add_permit(at)
        if self._rate != self._limiter_rate:
            # aiolimiter cannot change its rate, so a new limiter is needed. It must not start with an empty bucket,
            # which would allow a burst.
            self._limiter = self._build_limiter()
            await self._limiter.acquire(self._limiter.max_rate)
        return self._last_permit_at

    async def _serve_queue(self) -> None:
        while self._total is None and self._queue and self._limiter.has_capacity():
            if self._queue[0].done():  # cancelled
                self._queue.popleft()
                continue
            now = self._time()
            if self._window.next_permit_at(now) > now or self._paused_until > now or self._without_lease() is not None:
                return
            await self._limiter.acquire()  # does not wait, because there is capacity
            at = await self._record_permit(self._time())
            self._queue.popleft().set_result(at)

    def _build_limiter(self) -> AsyncLimiter:
        self._limiter_rate = self._rate
        shape = bucket(self._rate)
        self._interval = 1 / shape.leak
        return AsyncLimiter(shape.size, shape.period)
