"""What a 429 does: a pause for every request, and another rate for those of its sort.

How long a run takes is workload and never a sign of congestion. Times are the loop's, in seconds; rates are requests a
second. Answers of requests that were already under way when the rate was cut say nothing new: one episode, one cut.
"""

import math
from bisect import bisect_right
from collections import deque

from batchrun.domain.backoff import doubled
from batchrun.domain.sliding_window import window

LONGEST_PAUSE = 900.0
FIRST_PAUSE, LONGEST_UNASKED = 1.0, 30.0

CUT, DEEPEST_CUT = 0.8, 0.5
LOWEST = 0.02
"""Of the ceiling; nothing is cut below it."""
GROWTH = 0.05
"""Of the ceiling, for each good second, while the quota is not known."""

SAME_QUOTA = 0.1
"""Two measurements of a quota are taken for the same within this share of it."""
BELOW = 0.97
"""A quota that is known is used to this share."""
PATIENCE, LONGEST_PATIENCE = 60.0, 180.0
"""Seconds after which it is tried whether it has grown; longer each time that it has not."""
FIRST_STEP, STEP_SECONDS = 0.05, 2.0
"""How far a trial goes at first (of the rate), and how long: while all goes well, a step is twice the one before."""


class ThrottlePause:
    """Until when nobody sends: as long as the service asks (at most a quarter of an hour).

    With no word from it a second, the window over which quotas are counted. It doubles to 30 s while not even the first
    requests after a pause are taken.
    """

    def __init__(self) -> None:
        self.until = 0.0
        """No request before this."""
        self._hit_at = -math.inf
        self._episodes = 0

    def on_throttled(self, now: float, sent_at: float, retry_after: float | None, last_good: float) -> None:
        """A request that left at `sent_at` was throttled; another one was last answered well at `last_good`."""
        if sent_at > self._hit_at:
            self._episodes = 1 if last_good > self.until else self._episodes + 1
            self._hit_at = now
        unasked = doubled(max(0, self._episodes - 1), FIRST_PAUSE, LONGEST_UNASKED)
        asked = unasked if retry_after is None else min(retry_after, LONGEST_PAUSE)
        self.until = max(self.until, now + asked)


class AdaptiveRate:
    """The rate of one sort of request, found from what the service takes. The user's rate is its ceiling.

    The first 429 cuts the rate ×0.8, and as much further as less was taken in the window before it. Then it grows by
    5 % of the ceiling a second. Where the next 429 finds the same to be taken, this is the quota: the rate stays just
    below, and tries rarely whether more is taken now, ever more rarely while it is not, in growing steps while it is.
    A 429 below a quota that seemed known belies it.
    """

    def __init__(self, ceiling: float) -> None:
        self.ceiling = ceiling
        self.rate = ceiling
        self.quota: float | None = None
        """Of the service, where it is known."""
        self._window = window(ceiling)
        self._sent: deque[float] = deque()
        self._throttled: deque[float] = deque()
        self._taken = 0.0
        """How many requests a second were taken before the last 429; 0 where it is not known."""
        self._cut_at = -math.inf
        self._patience = PATIENCE
        self._step = 0.0
        self._step_at = 0.0
        """The next step of a trial is not before this."""

    @property
    def share(self) -> float:
        """The rate as a share of the ceiling."""
        return self.rate / self.ceiling

    def on_sent(self, at: float) -> None:
        """A request leaves."""
        self._sent.append(at)
        while self._sent[0] < at - 3 * self._window:
            self._sent.popleft()

    def on_throttled(self, now: float, sent_at: float) -> bool:
        """A request of this sort, which left at `sent_at`, was throttled; whether that begins an episode."""
        self._throttled.append(sent_at)
        if sent_at <= self._cut_at:
            return False
        taken = self._taken_before(sent_at)
        if self._taken and self.rate > BELOW * self._taken and abs(taken - self._taken) <= SAME_QUOTA * self._taken:
            tried = self.quota is not None
            self._patience = min(2 * self._patience, LONGEST_PATIENCE) if tried else PATIENCE
            self.quota = max(taken, self._taken)  # what was on its way is not counted
            self._set(min(self.rate, BELOW * self.quota))
        else:
            self.quota, self._patience = None, PATIENCE
            self._set(min(CUT * self.rate, max(BELOW * taken, DEEPEST_CUT * self.rate)))
        self._taken, self._cut_at = self.quota or taken, now
        self._step, self._step_at = FIRST_STEP * self.rate, now + self._patience
        return True

    def on_other_throttled(self, now: float) -> None:
        """A request of another sort was throttled, perhaps because both share a quota: slow down a little."""
        if self.rate > CUT * self.ceiling and self.quota is None:
            self._set(CUT * self.ceiling)
            self._cut_at = now

    def on_success(self, now: float) -> None:
        """A second has passed in which requests were taken, none throttled, and the rate was what held the job back."""
        if self.quota is None:
            self._set(self.rate + GROWTH * self.ceiling)
        elif now >= self._step_at:
            self._set(self.rate + self._step)
            self._step, self._step_at = 2 * self._step, now + STEP_SECONDS
        if self.rate == self.ceiling:
            self.quota = None

    def _set(self, rate: float) -> None:
        self.rate = min(max(rate, LOWEST * self.ceiling), self.ceiling)

    def _taken_before(self, at: float) -> float:
        """How many requests a second were taken, as far as is known, of those that left in the window up to `at`."""
        while self._throttled and self._throttled[0] < at - 3 * self._window:
            self._throttled.popleft()
        on_sent, throttled = list(self._sent), sorted(self._throttled)
        until, since = at, at - self._window
        both = (bisect_right(times, until) - bisect_right(times, since) for times in (on_sent, throttled))
        return max(0, next(both) - next(both)) / self._window
