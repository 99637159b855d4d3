"""Detects an outage of the service. An outage is no row's fault, so no row is charged for it.

Several failures in a row (no connection, 5xx, 429) without a success in between open the circuit. While it is open,
one probe at a time is sent, at intervals that double up to 30 s. The first successful answer closes it. Submissions and
polls have separate breakers, because a service may refuse new runs and still report on old ones. A failure that may be
the fault of one run (a repeated failure of its polls) prolongs an outage and does not open the circuit.
Times are event loop time, in seconds.
"""

from batchrun.domain.backoff import doubled

FAILURES_TO_OPEN = 4
"""Failures in a row that open the circuit."""

FIRST_PROBE_DELAY = 0.5
MAX_PROBE_DELAY = 30.0
"""Seconds until the first probe, and the longest wait between two probes."""


class CircuitBreaker:
    """The circuit breaker of one class of requests."""

    def __init__(self) -> None:
        self.since: float | None = None
        """Time of the first failure since the last success; None if there was none."""
        self.is_open = False
        """Whether only one probe at a time is sent."""
        self._failures = 0
        self._probes = 0
        self._probe_at = 0.0

    @property
    def failures(self) -> int:
        """Failures in a row, of those that count."""
        return self._failures

    @property
    def probe_number(self) -> int:
        """The number of the next probe, starting at 1; 0 while the circuit is closed."""
        return self._probes if self.is_open else 0

    def on_failure(self, now: float, chance: float, *, opens: bool = True) -> None:
        """A request failed. `chance`: a random number in [0, 1) that spreads the probe delay over 80 to 100 %.

        `opens`: whether the failure counts among those that open the circuit.
        """
        if self.since is None:
            self.since = now
        self._failures += opens
        self.is_open = self._failures >= FAILURES_TO_OPEN
        if self.is_open and now >= self._probe_at:
            self._probe_at = now + doubled(self._probes, FIRST_PROBE_DELAY, MAX_PROBE_DELAY) * (0.8 + 0.2 * chance)
            self._probes += 1

    def open(self, now: float, chance: float) -> None:
        """Open the circuit, because others show an outage. `chance`: see `on_failure`."""
        self._failures = max(self._failures, FAILURES_TO_OPEN - 1)
        self.on_failure(now, chance)

    def on_success(self) -> None:
        """A request succeeded: close the circuit."""
        if self.since is not None:
            self.since, self.is_open, self._failures, self._probes, self._probe_at = None, False, 0, 0, 0.0

    def seconds_until_probe(self, now: float) -> float:
        """Seconds until the next probe may be sent; 0 while the circuit is closed."""
        return max(0.0, self._probe_at - now) if self.is_open else 0.0
