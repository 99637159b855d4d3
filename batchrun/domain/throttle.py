"""What a 429 does to the rate.

Everything pauses for as long as the service asks (at most a quarter of an hour; with no word from it, 1 s that
doubles from hit to hit up to 30 s). The rate is cut once an episode, ×0.8: the answers of requests that were already
under way when it was cut say nothing new. It grows again by 5 % of the ceiling for each clean second in which the
rate was what held the job back. The user's own rate is the ceiling. How long a run takes is workload and never a
sign of congestion. Times are the loop's, in seconds.
"""

from batchrun.domain.backoff import doubled

LONGEST_PAUSE = 900.0
CUT = 0.8
GROWTH = 0.05
LOWEST = 0.02


class Throttle:
    """The share of the user's rates that the service seems to grant, and the pause it asked for."""

    def __init__(self) -> None:
        self.share = 1.0
        self.until = 0.0
        """No request before this."""
        self._cut_at = float("-inf")
        self._hits = 0

    def hit(self, now: float, sent_at: float, retry_after: float | None) -> None:
        """A request that left at `sent_at` was throttled."""
        fresh = sent_at > self._cut_at
        if fresh:
            self.share = max(LOWEST, self.share * CUT)
            self._cut_at = now
            self._hits += 1
        asked = doubled(max(0, self._hits - 1), 1.0, 30.0) if retry_after is None else min(retry_after, LONGEST_PAUSE)
        self.until = max(self.until, now + asked)

    def clean(self, now: float) -> None:
        """A second went by without a throttled answer and with the rate as the bottleneck."""
        if now > self.until:
            self._hits = 0
            self.share = min(1.0, self.share + GROWTH)
