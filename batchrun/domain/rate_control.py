"""Reacts to 429 answers: pauses all requests, and adapts the rate of the throttled class of requests.

The duration of a run depends on the workload and is never a sign of congestion. A 429 for a request that was sent
before the last cut gives no new information: each episode of throttling leads to one cut.
Times are event loop time, in seconds; rates are in requests per second.
"""

import math
from bisect import bisect_right
from collections import deque

from batchrun.domain.backoff import doubled
from batchrun.domain.sliding_window import window

FIRST_PAUSE, MAX_DEFAULT_PAUSE = 1.0, 30.0
"""Seconds of the first and the longest pause if the service requests none, and for other classes of requests."""

CUT, DEEPEST_CUT = 0.8, 0.5
"""The smallest and the largest cut, as factors of the rate."""
MIN_SHARE = 0.02
"""The lowest rate, as a share of the ceiling."""
GROWTH = 0.05
"""Growth per second while the quota is unknown, as a share of the ceiling."""

QUOTA_TOLERANCE = 0.1
"""Two measurements within this share of each other are taken as the same quota."""
QUOTA_USE = 0.97
"""The share of a known quota that is used."""
QUOTA_HOLD, MAX_QUOTA_HOLD = 60.0, 180.0
"""Seconds for which a known quota is respected before a higher rate is tried. The time doubles, up to the maximum, each
time that the higher rate is throttled."""
FIRST_STEP, STEP_SECONDS = 0.05, 2.0
"""The first increase above a known quota, as a share of the rate, and the seconds between increases. Each increase is
twice the previous one."""


class ThrottlePause:
    """The time before which no request of a class is sent. It is as long as the service requests.

    If the service requests no pause, it is one second, the window over which quotas are counted. While no request
    succeeds after a pause, it doubles up to 30 s.
    """

    def __init__(self) -> None:
        self.until = 0.0
        """No request is sent before this time."""
        self.since = math.inf
        """When the present series of pauses, without a success in between, began."""
        self._throttled_at = -math.inf
        self._episodes = 0
        """Episodes of throttling in a row without a success after the pause."""

    def on_throttled(self, now: float, sent_at: float, retry_after: float | None, last_success: float) -> bool:
        """A request sent at `sent_at` was throttled. `last_success`: when a request last succeeded.

        Returns whether the pause is longer now.
        """
        if sent_at > self._throttled_at:
            is_first = last_success >= self.until or self._episodes == 0
            self._episodes = 1 if is_first else self._episodes + 1
            self.since = now if is_first else self.since
            self._throttled_at = now
        before = self.until
        self.until = max(before, now + (self.default if retry_after is None else retry_after))
        return self.until > before

    @property
    def default(self) -> float:
        """The pause, in seconds, if the service requests none."""
        return doubled(max(0, self._episodes - 1), FIRST_PAUSE, MAX_DEFAULT_PAUSE)

    def on_others_throttled(self, now: float, until: float, last_success: float) -> bool:
        """Another process, with the same limits, was asked to pause. Returns whether the pause is longer now."""
        if until <= self.until:
            return False
        if last_success > self.until or self.since == math.inf:
            self.since = now
        self.until = until
        return True

    def exceeds(self, seconds: float, now: float) -> bool:
        """Whether the pauses have lasted for `seconds`, and the present one goes on."""
        return self.until > now and now - self.since >= seconds


class AdaptiveRate:
    """The rate of one class of requests. It follows the quota of the service, with the user's rate as the ceiling.

    The first 429 cuts the rate to 80 %, or further if fewer requests were accepted in the window before it. Then the
    rate grows by 5 % of the ceiling per second. If the next 429 comes at the same accepted rate, this is the quota.
    The rate then stays just below it. A higher rate is tried from time to time: less and less often while it is
    throttled, and in growing steps while it is not. A 429 below the known quota invalidates it.
    """

    def __init__(self, ceiling: float) -> None:
        self.ceiling = ceiling
        self.rate = ceiling
        self.quota: float | None = None
        """The quota of the service; None if it is unknown."""
        self._window = window(ceiling)
        self._sent: deque[float] = deque()
        self._throttled: deque[float] = deque()
        self._accepted = 0.0
        """The rate that was accepted before the last 429; 0 if it is unknown."""
        self._cut_at = -math.inf
        self._quota_hold = QUOTA_HOLD
        self._step = 0.0
        self._step_at = 0.0
        """The earliest time of the next increase above a known quota."""

    @property
    def share(self) -> float:
        """The rate as a share of the ceiling."""
        return self.rate / self.ceiling

    def on_sent(self, at: float) -> None:
        """A request was sent."""
        self._sent.append(at)
        while self._sent[0] < at - 3 * self._window:
            self._sent.popleft()

    def on_throttled(self, now: float, sent_at: float, part: float = 1.0) -> bool:
        """A request of this class, sent at `sent_at`, was throttled. Returns whether this begins a new episode.

        `part`: the part of the ceiling that this process may use. The quota is that of all who share the ceiling.
        """
        self._throttled.append(sent_at)
        if sent_at <= self._cut_at:
            return False
        accepted = self._accepted_before(sent_at) / part
        if (
            self._accepted
            and self.rate > QUOTA_USE * self._accepted
            and abs(accepted - self._accepted) <= QUOTA_TOLERANCE * self._accepted
        ):
            was_known = self.quota is not None
            self._quota_hold = min(2 * self._quota_hold, MAX_QUOTA_HOLD) if was_known else QUOTA_HOLD
            self.quota = max(accepted, self._accepted)  # a measurement may miss requests that were still under way
            self._set(min(self.rate, QUOTA_USE * self.quota))
        else:
            self.quota, self._quota_hold = None, QUOTA_HOLD
            self._set(min(CUT * self.rate, max(QUOTA_USE * accepted, DEEPEST_CUT * self.rate)))
        self._accepted, self._cut_at = self.quota or accepted, now
        self._step, self._step_at = FIRST_STEP * self.rate, now + self._quota_hold
        return True

    def on_other_throttled(self, now: float) -> None:
        """A request of another class was throttled. Slow down a little, because both classes may share a quota."""
        if self.rate > CUT * self.ceiling and self.quota is None:
            self._set(CUT * self.ceiling)
            self._cut_at = now

    def on_success(self, now: float) -> None:
        """For one second, requests succeeded, none was throttled, and this rate limited the job."""
        if self.quota is None:
            self._set(self.rate + GROWTH * self.ceiling)
        elif now >= self._step_at:
            self._set(self.rate + self._step)
            self._step, self._step_at = 2 * self._step, now + STEP_SECONDS
        if self.rate == self.ceiling:
            self.quota = None

    def _set(self, rate: float) -> None:
        self.rate = min(max(rate, MIN_SHARE * self.ceiling), self.ceiling)

    def _accepted_before(self, at: float) -> float:
        """The rate at which requests sent in the window up to `at` were accepted, as far as is known."""
        while self._throttled and self._throttled[0] < at - 3 * self._window:
            self._throttled.popleft()
        sent, throttled = list(self._sent), sorted(self._throttled)
        until, since = at, at - self._window
        counts = (bisect_right(times, until) - bisect_right(times, since) for times in (sent, throttled))
        return max(0, next(counts) - next(counts)) / self._window
