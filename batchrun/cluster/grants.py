"""The limits on the driver's side: which worker has how much of them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from batchrun.adapters.shared_limits.messages import Grant, Report
from batchrun.domain.lease_book import LeaseBook


@dataclass(slots=True)
class _Granted:
    report: int = 0
    """The number of the last report."""
    sent: int = 0
    """The number of the last grant; one with the same slots has the same number."""
    slots: dict[str, int] = field(default_factory=dict)
    periods: dict[str, float] = field(default_factory=dict)


TURN = 30.0
"""Seconds after which another worker gets what cannot be divided. All work on the same rows, so none has to be first,
and each change costs a second."""

ARRIVAL = 0.25
"""Seconds by which requests of one worker may arrive later than those of another; see `leases.ARRIVAL`. Workers may be
in different networks, and the machine of one may be busier than that of another."""


LATE = 3.0
"""Seconds by which the last requests of a worker that is gone may arrive late. Of those of the others, the answers
tell; nobody hears the answers of this one, and its machine, or the service, may have been too busy to go on."""


class Grants:
    """The leases of all workers. `reserved`: seconds for which leases of an earlier driver may be valid.

    `rate_of`: the present rates of limits, where the service allows less than the user.
    """

    def __init__(self, reserved: float, rate_of: Callable[[], Mapping[str, float]]) -> None:
        self._time = asyncio.get_running_loop().time
        self._rate_of = rate_of
        self._book = LeaseBook(self._time() + reserved, TURN, ARRIVAL)
        self._granted: dict[str, _Granted] = {}

    def on_report(self, worker: str, report: Report) -> None:
        """A worker has reported; see `Ledger.report`."""
        granted, now = self._granted.setdefault(worker, _Granted()), self._time()
        is_current = report.received == granted.sent
        rates = {**report.rates, **self._rate_of()}
        self._book.report(worker, rates, report.held, report.wanted, is_current=is_current, now=now)
        for limit, seconds in report.pauses.items():
            self._book.pause(limit, now + seconds)
        granted.report = report.number

    def grant(self, worker: str) -> Grant | None:
        """What this worker has from now on; None before its first report."""
        now = self._time()
        for expired in self._book.expired(now):
            self._book.leave(expired, now, LATE)
        slots = self._book.assign(now).get(worker)
        granted = self._granted.get(worker)
        if granted is None or slots is None:
            return None
        periods = self._book.periods(slots)
        granted.sent += (slots, periods) != (granted.slots, granted.periods)
        granted.slots, granted.periods = slots, periods
        return Grant(granted.sent, granted.report, slots, periods, self._book.pauses(now))

    def leave(self, worker: str) -> None:
        """A worker is gone."""
        self._book.leave(worker, self._time(), LATE)
        self._granted.pop(worker, None)
