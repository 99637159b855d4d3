"""Keeps a limit as the service counts it: at most ⌈N⌉ requests in any half-open second, by time of arrival.

Two mechanisms enforce this. A sliding window counts permits. It gives none while the service may still count ⌈N⌉ other
requests in its last second (or in ⌈N⌉ / N seconds, if N is not an integer). A leaky bucket spaces permits evenly. Its
leak rate is a little above the limit, so that lost time is made up for. Its size covers the permits of
`MAX_WAKEUP_DELAY` seconds, because timers fire late and a busy process checks them late.

The count is uncertain because requests that were sent evenly do not arrive evenly: the process, the network or the
service may have been busy for a moment. The extra delay of an arrival is unknown, but the extra delay of the answer
bounds it, and that is known long before the second is over. A permit therefore counts for the window, plus `MARGIN`
seconds, plus the extra delay of its answer, relative to the fastest answer. If answers are even, almost none of the
rate is lost. If they are not, because the service takes its time or answers when a run has ended, their delay says
little about the arrivals. The extra delays are therefore limited to `EXTRA_MARGIN` seconds per request on average. A
single stall is still compensated in full.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass
from heapq import heappop, heappush

MAX_WAKEUP_DELAY = 0.005
"""Seconds by which the process may wake up late and still use the whole rate."""
LEAK_FACTOR = 1.03
"""The leak rate of the bucket, as a multiple of the limit."""

MARGIN, EXTRA_MARGIN = 0.002, 0.018
"""Seconds that a permit counts beyond its window: always, and additionally, on average, at most."""
REFRESH_SECONDS, REFRESH_ANSWERS = 10.0, 100
"""The fastest answer is determined anew after at least this many seconds and answers."""
FEW_ANSWERS, FEW_ANSWERS_DELAY = 20, 0.006
"""Until this many answers have come, the fastest one may be late itself. Each answer then counts as at least this many
seconds late."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A leaky bucket: at most `size` requests at once, and `leak` requests per second in the long run."""

    size: float
    leak: float

    @property
    def period(self) -> float:
        """Seconds until a full bucket is empty."""
        return self.size / self.leak


def bucket(rate: float) -> Bucket:
    """The bucket that spaces permits at this rate."""
    return Bucket(1.0 + MAX_WAKEUP_DELAY * rate, LEAK_FACTOR * rate)


def window(rate: float) -> float:
    """The window over which the service counts, in seconds."""
    return 1.0 if rate >= 1 else 1.0 / rate


class SlidingWindow:
    """The permits that the service may still count. Times are event loop time in seconds, and never decrease."""

    def __init__(self, rate: float) -> None:
        self.slow_to(rate)
        self._unanswered: OrderedDict[float, None] = OrderedDict()
        """The times of permits whose answers have not come, in order."""
        self._expiries: list[float] = []
        """When the answered permits stop counting; a heap."""
        self._last_permit = -math.inf
        self._margin_budget = self._limit * EXTRA_MARGIN
        """Seconds of extra delay that may still be spent."""
        self._fastest = self._fastest_before = math.inf
        """The fastest answer since the last refresh, and between the last two, in seconds."""
        self._refresh_at = self._reliable_from = -math.inf
        self._answers = self._answers_at_refresh = 0

    def slow_to(self, rate: float) -> None:
        """Use this rate from the next permit on."""
        self._limit = math.ceil(rate)
        self._window = self._limit / rate
        self._shortest = self._window + MARGIN
        self._longest = self._shortest + EXTRA_MARGIN

    def has_room(self, number: int) -> bool:
        """Whether `number` permits may be given now.

        Expired permits are not removed here, so `next_permit_at` may find room even if this returns False.
        """
        return len(self._unanswered) + len(self._expiries) + number <= self._limit

    def count(self, now: float) -> int:
        """How many permits the service may still count."""
        self._forget(now)
        return len(self._unanswered) + len(self._expiries)

    def next_permit_at(self, now: float) -> float:
        """When a permit may be given, as far as is known: `now`, or a later time at which to ask again."""
        self._forget(now)
        unanswered, expiries = self._unanswered, self._expiries
        shortest, longest = self._shortest, self._longest
        if len(unanswered) + len(expiries) < self._limit:
            return now
        ready = expiries[0] if expiries else math.inf
        if unanswered:  # its answer may come before it expires, and shorten the wait
            oldest = next(iter(unanswered))
            ready = min(ready, oldest + (shortest if oldest + shortest > now else longest))
        return ready

    def add_permit(self, now: float) -> float:
        """Count a permit. Returns its time, which is unique among all permits."""
        self._last_permit = at = now if now > self._last_permit else math.nextafter(self._last_permit, math.inf)
        unanswered, expiries = self._unanswered, self._expiries
        unanswered[at] = None
        while expiries and expiries[0] <= now:
            heappop(expiries)
        while next(iter(unanswered)) + self._longest <= now:
            unanswered.popitem(last=False)
        return at

    def _forget(self, now: float) -> None:
        """Remove the permits that no longer count."""
        unanswered, expiries, longest = self._unanswered, self._expiries, self._longest
        while expiries and expiries[0] <= now:
            heappop(expiries)
        while unanswered and (oldest := next(iter(unanswered))) + longest <= now:
            del unanswered[oldest]

    def on_answer(self, at: float, now: float) -> None:
        """The answer to the request with the permit of time `at` came. Not called if no answer comes."""
        if 2 * (len(self._unanswered) + len(self._expiries)) < self._limit:
            return  # far below the limit, it does no harm to count the permit as if no answer had come
        if at not in self._unanswered or at + self._longest <= now:
            return
        del self._unanswered[at]
        allowed = min(self._delay(now - at, now), self._margin_budget)
        self._margin_budget = min(self._margin_budget - allowed + EXTRA_MARGIN, self._limit * EXTRA_MARGIN)
        heappush(self._expiries, at + self._shortest + allowed)

    def _delay(self, took: float, now: float) -> float:
        """Seconds by which an answer that took `took` seconds was slower than the fastest recent one."""
        if now >= self._refresh_at and self._answers - self._answers_at_refresh >= REFRESH_ANSWERS:
            self._fastest_before, self._fastest = self._fastest, math.inf
            self._answers_at_refresh, self._refresh_at = self._answers, now + REFRESH_SECONDS
        self._answers += 1
        self._fastest = min(self._fastest, took)
        delay = took - min(self._fastest, self._fastest_before)
        if self._answers == 1:
            self._reliable_from = now + self._window
        if now < self._reliable_from:  # all of the first answers may be slow
            return max(delay, EXTRA_MARGIN)
        return delay if self._answers > FEW_ANSWERS else max(delay, FEW_ANSWERS_DELAY)
