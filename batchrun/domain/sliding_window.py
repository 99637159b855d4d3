"""How a limit is kept as the service counts it: ⌈N⌉ in any half-open second, by the time at which requests arrive.

Two things see to it. The ledger counts permits, and gives none while the service may still have ⌈N⌉ others within its
last second (or ⌈N⌉ / N of them, if N is no whole number). The bucket spaces permits evenly. It is a little faster than
the limit, so that lost time is made up for, and no smaller than what leaks in `LATE` seconds, since timers wake late
and a busy process looks only now and then.

What makes the count uncertain is that requests that left evenly do not arrive so: this process, the network or the
service was busy for a moment. How much later one arrived than it might have nobody tells; but no more than its answer
was later than the quickest one, and that is known long before the second is over. So a permit counts for the window,
`SURE` seconds and as much longer as its answer was late: where answers come evenly hardly anything of the rate is lost.
Where they do not (the service takes its time, or answers when a run has ended) that says little of the arrivals, so no
more than `UNSURE` seconds a request are spent in this way in the long run; a stall now and then is allowed for in full.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from heapq import heappop, heappush

LATE = 0.005
"""Seconds by which we may look late and still use all of the rate."""
HASTE = 1.03
"""By how much the bucket is faster than the limit."""

SURE, UNSURE = 0.002, 0.018
"""Seconds that a permit counts beyond its window: always, and at the most in the long run."""
FRESH, ENOUGH = 10.0, 100
"""After so many seconds and answers the quickest of them is looked for anew."""
FEW, UNEVEN = 20, 0.006
"""Of so few answers even the quickest may have been late, by about so many seconds."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """`size` requests at once at the most, `leak` requests a second in the long run."""

    size: float
    leak: float

    @property
    def period(self) -> float:
        """Seconds in which a full bucket runs empty."""
        return self.size / self.leak


def bucket(rate: float) -> Bucket:
    """The bucket that spaces permits at this rate."""
    return Bucket(1.0 + LATE * rate, HASTE * rate)


def window(rate: float) -> float:
    """Seconds over which the limit is counted."""
    return 1.0 if rate >= 1 else 1.0 / rate


class SlidingWindow:
    """The permits that the service may still count. Times are the loop's, in seconds, and never run backwards."""

    def __init__(self, rate: float) -> None:
        self.slow_to(rate)
        self._open: OrderedDict[float, None] = OrderedDict()
        """When permits were given whose answers have not come."""
        self._over: list[float] = []
        """When the others stop to count; a heap."""
        self._last = -math.inf
        self._spare = self._limit * UNSURE
        self._quickest = self._quickest_before = math.inf
        self._fresh_until = self._known_from = -math.inf
        self._heard = self._heard_before = 0

    def slow_to(self, rate: float) -> None:
        """Let the rate be this one, from the next permit on."""
        self._limit = math.ceil(rate)
        self._window = self._limit / rate
        self._soonest = self._window + SURE
        self._longest = self._soonest + UNSURE

    def has_room(self, number: int) -> bool:
        """Whether `number` permits may be given now.

        This looks at nothing that has expired: where it says no, `next_permit_at` may still find room.
        """
        return len(self._open) + len(self._over) + number <= self._limit

    def next_permit_at(self, now: float) -> float:
        """When a permit may be given, as far as is known: `now`, or a later time at which to look again."""
        opened, over = self._open, self._over
        soonest, longest = self._soonest, self._longest
        while over and over[0] <= now:
            heappop(over)
        while opened and (oldest := next(iter(opened))) + longest <= now:
            del opened[oldest]
        if len(opened) + len(over) < self._limit:
            return now
        ready = over[0] if over else math.inf
        if opened:  # until then its answer may come, and tell more
            oldest = next(iter(opened))
            ready = min(ready, oldest + (soonest if oldest + soonest > now else longest))
        return ready

    def add_permit(self, now: float) -> float:
        """Count a permit; the time at which it was given, which is no other one's."""
        self._last = at = now if now > self._last else math.nextafter(self._last, math.inf)
        opened, over = self._open, self._over
        opened[at] = None
        while over and over[0] <= now:
            heappop(over)
        while next(iter(opened)) + self._longest <= now:
            opened.popitem(last=False)
        return at

    def on_answer(self, at: float, now: float) -> None:
        """The answer to the request with the permit of `at` came; may be left out where none comes."""
        if 2 * (len(self._open) + len(self._over)) < self._limit:
            return  # far from the limit it may as well count for as long as if none came
        if at not in self._open or at + self._longest <= now:
            return
        del self._open[at]
        allowed = min(self._lateness(now - at, now), self._spare)
        self._spare = min(self._spare - allowed + UNSURE, self._limit * UNSURE)
        heappush(self._over, at + self._soonest + allowed)

    def _lateness(self, took: float, now: float) -> float:
        """By how much longer the answer `took` than the quickest of late."""
        if now >= self._fresh_until and self._heard - self._heard_before >= ENOUGH:
            self._quickest_before, self._quickest = self._quickest, math.inf
            self._heard_before, self._fresh_until = self._heard, now + FRESH
        self._heard += 1
        self._quickest = min(self._quickest, took)
        late = took - min(self._quickest, self._quickest_before)
        if self._heard == 1:
            self._known_from = now + self._window
        if now < self._known_from:  # the first answers may all be slow
            return max(late, UNSURE)
        return late if self._heard > FEW else max(late, UNEVEN)
