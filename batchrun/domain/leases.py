"""Divides one rate limit among several members, which are processes or workers.

A limit of N a second is ⌈N⌉ slots. Each slot allows one request in any ⌈N⌉/N seconds, its period. The slots are leased
to the members in whole numbers, and a member keeps to its slots as it would keep to a limit of its own. All members
together then keep the limit in any half-open second, however the slots are spread.

A slot is given to another member only when its last request no longer counts: the member that has it gives it back
when its period is over. If a member is gone or its lease has run out, its slots wait for one more period. In either
case they also wait for `ARRIVAL` seconds, because the requests of one process may take longer to the service than those
of another.

Members report what they want and what they still use, and get targets. Targets are fair: each member gets what it
wants, up to an equal part, and what is left goes to those that want more. Where fewer slots than members are wanted,
the slots take turns. Times are in seconds of one clock, that of the process which keeps the ledger.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEASE = 3.0
"""Seconds for which a lease is valid, from the moment at which the member asked for it."""
TURN = 3.0
"""Seconds after which the next members are preferred where slots cannot be divided equally; at least one period."""
ARRIVAL = 0.05
"""Seconds by which a request of one member may arrive later than one of another that was sent at the same time."""
ALL = 1_000_000
"""More slots than any limit has: what a member wants that would use whatever it gets."""


@dataclass(frozen=True, slots=True)
class Slots:
    """A rate limit as a number of slots, each of which allows one request in any `period` seconds."""

    count: int
    period: float

    @classmethod
    def of(cls, rate: float) -> "Slots":
        """The slots of a limit of `rate` requests a second."""
        count = math.ceil(rate)
        return cls(count, count / rate)


def divide(slots: int, wanted: Sequence[int]) -> list[int]:
    """Divide slots fairly. The first ones in `wanted` get the odd slots. Slots that nobody wants remain."""
    parts = [0] * len(wanted)
    unsatisfied = [index for index, number in enumerate(wanted) if number > 0]
    while unsatisfied and slots >= len(unsatisfied):
        step = min(slots // len(unsatisfied), *(wanted[index] - parts[index] for index in unsatisfied))
        for index in unsatisfied:
            parts[index] += step
        slots -= step * len(unsatisfied)
        unsatisfied = [index for index in unsatisfied if parts[index] < wanted[index]]
    for index in unsatisfied[:slots]:
        parts[index] += 1
    return parts


@dataclass(slots=True)
class _Member:
    rate: float
    """The limit as this member knows it."""
    wanted: int
    granted: int
    """The most slots that it may believe to have, those included that it still has to give back."""
    target: int
    """The slots that it was assigned last."""
    lease_until: float


class Ledger:
    """The leases of one limit. The smallest figure of the members is the limit.

    `reserved_until`: until this time, leases of an earlier ledger may be valid. Members that report what they hold keep
    it, and nothing else is given away until a period later. `turn` and `arrival`: see `TURN` and `ARRIVAL`.
    """

    def __init__(self, reserved_until: float = -math.inf, turn: float = TURN, arrival: float = ARRIVAL) -> None:
        self._reserved_until = reserved_until
        self._turn = turn
        self._arrival = arrival
        self._members: dict[str, _Member] = {}
        self._returning: list[tuple[float, int]] = []
        """Slots that were given back, or whose members are gone: when they are free, and how many."""

    @property
    def slots(self) -> Slots:
        """The limit. Only valid while there are members."""
        return Slots.of(min(member.rate for member in self._members.values()))

    def report(self, name: str, rate: float, *, held: int, wanted: int, is_current: bool, now: float) -> None:
        """A member reports its figure, the slots that it holds or still uses, and how many it wants.

        It renews its lease by this. `is_current`: it has received all targets so far. Otherwise more slots than it
        reports may be on their way to it.
        """
        member = self._members.get(name)
        if member is None:
            self._members[name] = _Member(rate, wanted, granted=held, target=held, lease_until=now + LEASE)
            return
        member.rate, member.wanted, member.lease_until = rate, wanted, now + LEASE
        member.granted = max(member.granted, held)  # it has taken over what another member had in use
        if is_current and (given_back := member.granted - max(member.target, held)) > 0:
            member.granted -= given_back
            self._returning.append((now + self._arrival, given_back))

    def leave(self, name: str, now: float, arrival: float = 0.0) -> None:
        """A member is gone, and sends nothing from now on. `arrival`: how late its last requests may arrive."""
        if name in self._members:
            period = self.slots.period
            member = self._members.pop(name)
            free_at = min(now, member.lease_until) + period + max(arrival, self._arrival)
            self._returning.append((free_at, member.granted))

    def expired(self, now: float) -> list[str]:
        """The members whose leases have run out. They are to be removed with `leave`."""
        return [name for name, member in self._members.items() if member.lease_until <= now]

    def assign(self, now: float) -> dict[str, int]:
        """The targets of all members from now on. Each one that has changed must be sent."""
        if not self._members:
            return {}
        slots = self.slots
        members = list(self._members.values())
        ideal = self._ideal(members, slots, now)
        self._returning = [(free_at, count) for free_at, count in self._returning if free_at > now]
        in_use = sum(member.granted for member in members) + sum(count for _, count in self._returning)
        is_reserved = now < self._reserved_until + slots.period + self._arrival
        free = 0 if is_reserved else max(0, slots.count - in_use)
        for member, target in zip(members, ideal, strict=True):
            more = min(free, max(0, target - member.granted))
            free -= more
            member.target = min(target, member.granted + more)
            member.granted += more
        return {name: member.target for name, member in self._members.items()}

    def _ideal(self, members: list[_Member], slots: Slots, now: float) -> list[int]:
        wanting = [index for index, member in enumerate(members) if member.wanted > 0]
        turn = math.floor(now / max(self._turn, slots.period)) % max(1, len(wanting))
        wanting = wanting[turn:] + wanting[:turn]
        ideal = [0] * len(members)
        for index, part in zip(wanting, divide(slots.count, [members[i].wanted for i in wanting]), strict=True):
            ideal[index] = part
        # Slots that nobody wants are spread, so that a member that begins to send need not wait for them.
        for index, part in enumerate(divide(slots.count - sum(ideal), [ALL] * len(members))):
            ideal[index] += part
        return ideal
