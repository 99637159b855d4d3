"""When the service is out: no row's fault, no row's cost.

Requests that fail one after the other (no connection, 5xx, 429) with no success between them are an outage. While it
lasts one probe at a time is sent, at intervals that double to 30 s; the first answer that shows the service alive
ends it. Submissions and polls are watched apart, since a service may refuse new work and still tell of the old.
Times are the loop's, in seconds.
"""

from batchrun.domain.backoff import doubled

IN_A_ROW = 4
"""So many failures one after the other are an outage."""

FIRST_PROBE = 0.5
LONGEST_PROBE = 30.0


class CircuitBreaker:
    """Watches the fate of one sort of request."""

    def __init__(self) -> None:
        self.since: float | None = None
        """When the present row of failures began; None while all is well."""
        self.is_open = False
        """Whether sending is reduced to a probe at a time."""
        self._failures = 0
        self._probes = 0
        self._probe_at = 0.0

    @property
    def probe_number(self) -> int:
        """The number of the next probe, from 1 on; 0 while all is well."""
        return self._probes if self.is_open else 0

    def on_failure(self, now: float, chance: float) -> None:
        """A request failed; `chance` in [0, 1) spreads the next probe over 80 to 100 % of its wait."""
        if self.since is None:
            self.since = now
        self._failures += 1
        self.is_open = self._failures >= IN_A_ROW
        if self.is_open and now >= self._probe_at:
            self._probe_at = now + doubled(self._probes, FIRST_PROBE, LONGEST_PROBE) * (0.8 + 0.2 * chance)
            self._probes += 1

    def on_success(self) -> None:
        """A request was answered: whatever it was, it is over."""
        if self.since is not None:
            self.since, self.is_open, self._failures, self._probes, self._probe_at = None, False, 0, 0, 0.0

    def seconds_until_probe(self, now: float) -> float:
        """Seconds until the next probe may leave; 0 while all is well."""
        return max(0.0, self._probe_at - now) if self.is_open else 0.0
