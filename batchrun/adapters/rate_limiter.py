"""Pacing with aiolimiter."""

import asyncio
from collections import deque
from collections.abc import Callable

from aiolimiter import AsyncLimiter

from batchrun.domain.sliding_window import SlidingWindow, bucket, window

SHARED_TURN = 0.002
"""Seconds between two looks at a limit that is shared."""


class Pacer:
    """Gives permits at a rate, with no burst at the start, after a pause or after a change of the rate.

    `shared` is a further pacer that every permit must pass as well (`--total-rps`). Those who share it take turns.
    """

    def __init__(self, rate: float, shared: "Pacer | None" = None) -> None:
        self._ceiling = rate
        self._rate = rate
        self._shared = shared
        self._time = asyncio.get_running_loop().time
        self._limiter = self._build()
        self._window = SlidingWindow(rate)
        self._until = 0.0
        self._last = float("-inf")
        self._waiting = 0
        self._led = False
        self._line: deque[asyncio.Future[float | None]] = deque()
        self._sharers: deque[Pacer] = deque()

    @property
    def rate(self) -> float:
        """The most that it gives a second."""
        return self._ceiling

    @property
    def saturated(self) -> bool:
        """Whether somebody is waiting for a permit, or to come near one."""
        return self._waiting > 0

    @property
    def window(self) -> float:
        """Seconds over which the limit is counted."""
        return window(self._ceiling)

    def slow_to(self, share: float) -> None:
        """Use only this share of the rate, from the next permit on."""
        self._rate = self._ceiling * share
        self._window.slow_to(self._rate)

    def pause(self, until: float) -> None:
        """Give no permit before this time of the loop."""
        self._until = max(self._until, until)

    async def approach(self, ahead: Callable[[], int], lead: float) -> None:
        """Wait until a permit is at most `lead` seconds away; `ahead()` others are on their way to one."""
        while True:
            expected = self._expected(ahead() + 1)
            if self._shared is not None:
                expected = max(expected, self._shared._expected(1))
            if (wait := expected - self._time() - lead) <= 0:
                return
            self._waiting += 1
            try:
                await asyncio.sleep(wait)
            finally:
                self._waiting -= 1

    def is_near(self, ahead: int, lead: float) -> bool:
        """Whether a permit is at most `lead` seconds away by the last one alone."""
        now = self._time()
        soon = now + lead
        return (
            max(self._last + self._gap, now) + ahead * self._gap <= soon  # time that was not used is lost
            and self._until <= soon
            and self._window.has_room(ahead + 1)
            and self._shared is None
        )

    def _expected(self, number: int) -> float:
        """When so many permits from now may be given, in the loop's time."""
        first = max(self._last + self._gap, self._until, self._window.next_permit_at(self._time()))
        return first + (number - 1) * self._gap

    async def permit(self) -> float:
        """Wait for leave to send one request now; first come, first served. When it was given: no two are alike."""
        self._waiting += 1
        try:
            if self._led and (at := await self._in_line()) is not None:
                return at
            self._led = True
            try:
                at = await self._grant()
                if self._line:
                    await self._share()
                return at
            finally:
                if self._shared is not None:
                    self._yield_turn(self._shared)
                self._pass_on()
        finally:
            self._waiting -= 1

    def answered(self, at: float) -> None:
        """The answer to the request with the permit of `at` has come: it tells how late that may have arrived."""
        now = self._time()
        self._window.on_answer(at, now)
        if self._shared is not None:
            self._shared._window.on_answer(at, now)

    # Those who wait stand in line behind one leader, who alone deals with the limiter. In a busy loop each turn of the
    # line costs an iteration, and one permit an iteration would fall short of the rate; so the leader hands what the
    # bucket holds to those behind.

    async def _in_line(self) -> float | None:
        """When a permit was handed over; None if it is our turn to lead."""
        place: asyncio.Future[float | None] = asyncio.get_running_loop().create_future()
        self._line.append(place)
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.result() is None:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        """Let the next in line lead."""
        self._led = False
        while self._line and not self._led:
            place = self._line.popleft()
            if not place.done():
                place.set_result(None)
                self._led = True

    async def _grant(self) -> float:
        while True:
            now = self._time()
            ready = max(self._until, self._room_at(now))
            if self._shared is not None:
                ready = max(ready, self._shared._until, self._shared._room_at(now))
            if ready > now:
                if self._shared is not None:
                    self._yield_turn(self._shared)
                await asyncio.sleep(ready - now)
            elif self._shared is None:
                await self._limiter.acquire()
                if self._until <= (now := self._time()):
                    return await self._granted(now)
            elif self._limiter.has_capacity() and self._has_turn(self._shared) and self._shared._limiter.has_capacity():
                # Both at the same instant: a permit that waits for the other one would be stale when it is used.
                await self._limiter.acquire()
                await self._shared._limiter.acquire()
                return await self._granted(await self._shared._granted(self._time()))
            else:
                await asyncio.sleep(SHARED_TURN)

    # Without turns the one whose own limit is the wider would be there first whenever the shared one has room.

    def _has_turn(self, shared: "Pacer") -> bool:
        """Whether nobody has waited longer for the shared limit alone."""
        if self not in shared._sharers:
            shared._sharers.append(self)
        return shared._sharers[0] is self

    def _yield_turn(self, shared: "Pacer") -> None:
        if self in shared._sharers:
            shared._sharers.remove(self)

    def _room_at(self, now: float) -> float:
        return now if self._window.has_room(1) else self._window.next_permit_at(now)

    async def _granted(self, at: float) -> float:
        """A permit was given at this time; it is the moment for another rate, since nobody's wait is lost and the
        bucket is full."""
        self._last = self._window.add_permit(at)
        if self._rate != self._built:
            # aiolimiter computes its leak once: another rate is another limiter, and it must not begin with an empty
            # bucket, which would be a burst.
            self._limiter = self._build()
            await self._limiter.acquire(self._limiter.max_rate)
        return self._last

    async def _share(self) -> None:
        while self._shared is None and self._line and self._limiter.has_capacity():
            if self._line[0].done():  # it gave up
                self._line.popleft()
                continue
            if self._window.next_permit_at(now := self._time()) > now or self._until > now:
                return
            await self._limiter.acquire()  # never waits: there is room
            at = await self._granted(self._time())
            self._line.popleft().set_result(at)

    def _build(self) -> AsyncLimiter:
        self._built = self._rate
        shape = bucket(self._rate)
        self._gap = 1 / shape.leak
        return AsyncLimiter(shape.size, shape.period)
