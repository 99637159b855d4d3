"""The limits of the simulated service: requests per second, and asynchronous runs in progress."""

import heapq

from batchrun.simulator.options import SimulatorOptions
from batchrun.simulator.rate_window import Quota, take_all
from batchrun.simulator.replies import TOO_MANY_RUNS, RefusedError
from batchrun.simulator.simulated_run import RunOutcome, SimulatedRun


class Limits:
    """Refuses requests beyond the limits. Counts are kept in memory and start from zero in each process."""

    def __init__(self, options: SimulatorOptions, max_runs: int | None) -> None:
        """`max_runs`: the dialect's own limit of runs in progress, which the option replaces; None: no limit."""
        self._retry_after = f"{options.retry_after:g}"
        self._posts, self._polls, self._total = Quota(options.rps), Quota(options.poll_rps), Quota(options.total_rps)
        self._uploads = Quota(options.upload_rps)
        self._max_runs = options.max_runs or max_runs
        self._running: list[float] = []
        """A heap of the times at which the runs in progress end, in UTC milliseconds."""
        self.throttled = 0
        """The number of requests refused as too many."""

    def check_post(self, arrived: float) -> None:
        """Refuse a POST beyond the rate."""
        self._check_rate(self._posts, arrived)

    def check_poll(self, arrived: float) -> None:
        """Refuse a poll beyond the rate."""
        self._check_rate(self._polls, arrived)

    def check_upload(self, arrived: float) -> None:
        """Refuse an upload beyond the rate, which uploads have for themselves."""
        self._check(arrived, self._uploads)

    def _check_rate(self, own: Quota, arrived: float) -> None:
        self._check(arrived, own, self._total)

    def _check(self, arrived: float, *quotas: Quota) -> None:
        if not take_all(arrived, *quotas):
            raise self.rate_limited("too many requests in one second")

    def rate_limited(self, message: str) -> RefusedError:
        """The refusal of a request that is one too many, counted."""
        self.throttled += 1
        return RefusedError(429, "RATE_LIMITED", message, retry_after=self._retry_after)

    def check_runs(self, now: int) -> None:
        """Refuse an asynchronous run beyond the limit of runs in progress."""
        while self._running and self._running[0] <= now:
            heapq.heappop(self._running)
        if self._max_runs is not None and len(self._running) >= self._max_runs:
            self.throttled += 1
            message = f"Workflow asynchronous execution concurrency exceeds the maximum limit of {self._max_runs}"
            raise RefusedError(429, TOO_MANY_RUNS, message)

    def add_run(self, run: SimulatedRun) -> None:
        """Count an asynchronous run until its end. A stuck run counts for ever."""
        heapq.heappush(self._running, float("inf") if run.outcome is RunOutcome.STUCK else run.ends_ms)
