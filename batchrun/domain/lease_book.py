"""The ledgers of several limits that the same members share, and the pauses that the service has asked for."""

import math
from collections.abc import Iterable, Mapping

from batchrun.domain.leases import ARRIVAL, TURN, Ledger

SAME_PAUSE = 0.25
"""A pause that ends at most this many seconds later than a known one is the same, seen through a delayed message."""


class LeaseBook:
    """The leases of the limits, by name. `reserved_until`, `turn` and `arrival`: see `Ledger`."""

    def __init__(self, reserved_until: float = -math.inf, turn: float = TURN, arrival: float = ARRIVAL) -> None:
        self._settings = reserved_until, turn, arrival
        self._ledgers: dict[str, Ledger] = {}
        self._pauses: dict[str, float] = {}

    def report(
        self,
        member: str,
        rates: Mapping[str, float],
        held: Mapping[str, int],
        wanted: Mapping[str, int],
        *,
        is_current: bool,
        now: float,
    ) -> None:
        """A member reports; see `Ledger.report`. All mappings have the same keys."""
        for limit, rate in rates.items():
            ledger = self._ledgers.setdefault(limit, Ledger(*self._settings))
            ledger.report(member, rate, held=held[limit], wanted=wanted[limit], is_current=is_current, now=now)

    def leave(self, member: str, now: float, arrival: float = 0.0) -> None:
        """A member is gone; see `Ledger.leave`."""
        for ledger in self._ledgers.values():
            ledger.leave(member, now, arrival)

    def expired(self, now: float) -> set[str]:
        """The members whose leases have run out."""
        return {member for ledger in self._ledgers.values() for member in ledger.expired(now)}

    def assign(self, now: float) -> dict[str, dict[str, int]]:
        """The targets of all members, by member and limit. Each one that has changed must be sent."""
        targets: dict[str, dict[str, int]] = {}
        for limit, ledger in self._ledgers.items():
            for member, target in ledger.assign(now).items():
                targets.setdefault(member, {})[limit] = target
        return targets

    def periods(self, limits: Iterable[str]) -> dict[str, float]:
        """The periods of these limits, which have members."""
        return {limit: self._ledgers[limit].slots.period for limit in limits}

    def pause(self, limit: str, until: float) -> bool:
        """The service has asked for a pause. Returns whether it was not known."""
        if until <= self._pauses.get(limit, -math.inf) + SAME_PAUSE:
            return False
        self._pauses[limit] = until
        return True

    def pauses(self, now: float) -> dict[str, float]:
        """The seconds that pauses still go on."""
        return {limit: until - now for limit, until in self._pauses.items() if until > now}
