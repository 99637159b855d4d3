"""Leased rates: no half-open period has too many requests, whatever becomes of members, ledgers and messages."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.domain.demand import RECENT_SAMPLES, SHORT_SAMPLES, Demand
from batchrun.domain.leases import ALL, ARRIVAL, LEASE, TURN, Ledger, Slots, divide
from tests.support.examples import examples

STEP = 0.05
RATES = st.sampled_from([0.3, 1, 1.5, 2, 3, 7.5, 20])


@given(st.integers(0, 60), st.lists(st.integers(0, 30) | st.just(ALL), max_size=8))
def test_a_division_is_fair_and_gives_all_that_is_wanted(slots: int, wanted: list[int]) -> None:
    parts = divide(slots, wanted)
    assert sum(parts) == min(slots, sum(wanted))
    for part, number in zip(parts, wanted, strict=True):
        assert part <= number
        # Nobody who wants more has more than one slot less than another.
        assert part == number or part >= max(parts) - 1


@pytest.mark.parametrize(
    ("slots", "wanted", "parts"),
    [(20, [ALL, ALL], [10, 10]), (20, [3, ALL, ALL], [3, 9, 8]), (1, [ALL, ALL], [1, 0]), (5, [0, 2], [0, 2])],
)
def test_what_one_does_not_want_goes_to_the_others(slots: int, wanted: list[int], parts: list[int]) -> None:
    assert divide(slots, wanted) == parts


@given(st.floats(0.01, 1000))
def test_the_slots_of_a_rate_have_that_rate(rate: float) -> None:
    slots = Slots.of(rate)
    assert slots.count / slots.period == pytest.approx(rate)
    assert slots.period >= 1


@dataclass
class _Member:
    """A process that uses all its slots at once, as soon as it can: the worst that a member may do."""

    name: str
    wanted: int = ALL
    slots: int = 0
    lease_until: float = -math.inf
    used: list[float] = field(default_factory=list)
    received: int = 0
    sent: int = 0
    is_stopped: bool = False
    is_cut_off: bool = False
    """It sends requests, but reports and receives nothing."""
    last_target: int | None = None
    next_delivery: float = 0.0

    def held(self, now: float, period: float) -> int:
        counted = sum(at + period > now for at in self.used)
        return max(self.slots if now < self.lease_until else 0, counted)

    def send(self, now: float, period: float) -> list[float]:
        if self.is_stopped or now >= self.lease_until:
            return []
        self.used = [at for at in self.used if at + period > now]
        new = [now] * max(0, self.slots - len(self.used))
        self.used += new
        return new


def _most(times: Sequence[float], period: float) -> int:
    return max((sum(start <= time < start + period - 1e-6 for time in times) for start in times), default=0)


@settings(max_examples=examples(60))
@given(RATES, st.integers(1, 4), st.integers(0, 10_000))
def test_no_period_has_more_requests_than_slots(rate: float, count: int, seed: int) -> None:
    """Members stop, go on, die and join; messages are lost or late; a ledger is replaced by one that knows nothing."""
    draw, period, slots = Random(seed), Slots.of(rate).period, Slots.of(rate).count
    members = [_Member(f"first {number}") for number in range(count)]
    ledger, now, sent, late = Ledger(), 0.0, list[float](), list[tuple[float, _Member, Ledger, int, int, float]]()
    while now < 40 * period:
        now += STEP
        chance = draw.random()
        if chance < 0.01:
            members.append(_Member(f"later {now}"))
        elif chance < 0.02 and members:
            gone = members.pop(draw.randrange(len(members)))
            if draw.random() < 0.5:
                ledger.leave(gone.name, now)  # otherwise only its lease tells
        elif chance < 0.04 and members:
            one = draw.choice(members)
            one.is_stopped = not one.is_stopped
        elif chance < 0.06 and members:
            one = draw.choice(members)
            one.is_cut_off = not one.is_cut_off
        elif chance < 0.065:
            ledger = Ledger(now + LEASE)
            late.clear()
            for member in members:
                member.received, member.sent, member.last_target = 0, 0, None
                member.is_cut_off = draw.random() < 0.3
        elif chance < 0.2 and members:
            draw.choice(members).wanted = draw.choice([0, 1, 3, ALL])
        for gone_name in ledger.expired(now):
            ledger.leave(gone_name, now)
        for member in members:
            if not (member.is_stopped or member.is_cut_off) and draw.random() < 0.7:
                held, is_current = member.held(now, period), member.received == member.sent
                ledger.report(member.name, rate, held=held, wanted=member.wanted, is_current=is_current, now=now)
                targets = ledger.assign(now)
                for other in members:
                    target = targets.get(other.name)
                    if target is not None and (other is member or target != other.last_target):
                        other.sent += target != other.last_target
                        other.last_target = target
                        renewed = now if other is member else -math.inf
                        other.next_delivery = max(other.next_delivery, now + draw.choice([0.0, 0.0, 0.3, 1.0]))
                        late.append((other.next_delivery, other, ledger, other.sent, target, renewed))
        for message in [message for message in late if message[0] <= now]:
            _, member, origin, number, target, renewed = message
            if member.is_stopped or member.is_cut_off:
                continue
            late.remove(message)
            if origin is ledger and number >= member.received:
                member.received, member.slots = number, target
                member.lease_until = max(member.lease_until, renewed + LEASE)
        for member in members:
            sent += member.send(now, period)
    assert _most(sent, period) <= slots
    assert sent or not members


def _ledger(rate: float, **wanted: int) -> Ledger:
    ledger = Ledger()
    for name, number in wanted.items():
        ledger.report(name, rate, held=0, wanted=number, is_current=True, now=0.0)
    return ledger


def _targets_at(ledger: Ledger, now: float, rate: float, **wanted: int) -> dict[str, int]:
    """The targets after all members have given back what they were asked for."""
    for _ in range(2):
        ledger.assign(now)
        for name, number in wanted.items():
            ledger.report(name, rate, held=0, wanted=number, is_current=True, now=now)
        now += ARRIVAL + 0.01
    return ledger.assign(now)


def test_all_slots_are_leased_and_follow_the_demand() -> None:
    ledger = _ledger(20, a=ALL, b=ALL)
    assert ledger.assign(0.0) == {"a": 10, "b": 10}
    assert _targets_at(ledger, 1.0, 20, a=ALL, b=2) == {"a": 18, "b": 2}
    assert sum(_targets_at(ledger, 2.0, 20, a=1, b=2).values()) == 20


def test_slots_that_are_still_used_are_not_given_away() -> None:
    ledger = _ledger(20, a=ALL)
    assert ledger.assign(0.0) == {"a": 20}
    ledger.report("b", 20, held=0, wanted=ALL, is_current=True, now=1.0)
    assert ledger.assign(1.0) == {"a": 10, "b": 0}
    ledger.report("a", 20, held=16, wanted=ALL, is_current=False, now=1.1)  # it has not seen its new target
    assert ledger.assign(1.2) == {"a": 10, "b": 0}
    ledger.report("a", 20, held=16, wanted=ALL, is_current=True, now=1.3)
    assert ledger.assign(1.3) == {"a": 10, "b": 0}
    assert ledger.assign(1.3 + ARRIVAL) == {"a": 10, "b": 4}


def test_what_a_member_has_taken_over_from_another_is_not_given_to_a_third() -> None:
    ledger, now = Ledger(), 0.0
    held = {"a": 0, "b": 0, "c": 0}
    while now < 5:
        for name, slots in held.items():
            ledger.report(name, 12, held=slots, wanted=ALL, is_current=True, now=now)
        held = dict(ledger.assign(now))
        now += 0.1
    assert held == {"a": 4, "b": 4, "c": 4}
    ledger.leave("c", now)
    for _ in range(20):  # it has the four of the third now, and its own
        now += 0.1
        for name, more in (("a", 0), ("b", 4)):
            ledger.report(name, 12, held=4 + more, wanted=ALL, is_current=True, now=now)
        assert ledger.assign(now) == {"a": 4, "b": 6}
    ledger.report("b", 12, held=6, wanted=ALL, is_current=True, now=now)
    assert ledger.assign(now + ARRIVAL + 0.01) == {"a": 6, "b": 6}


def test_the_smallest_figure_binds_while_its_member_is_there() -> None:
    ledger = _ledger(20, a=ALL)
    assert ledger.assign(0.0) == {"a": 20}
    ledger.report("b", 4, held=0, wanted=ALL, is_current=True, now=1.0)
    assert ledger.assign(1.0) == {"a": 2, "b": 0}
    ledger.report("a", 20, held=2, wanted=ALL, is_current=True, now=2.0)
    assert ledger.assign(2.1) == {"a": 2, "b": 2}
    ledger.leave("b", 2.2)
    assert ledger.assign(2.2 + 1.0 + ARRIVAL + 0.01) == {"a": 20}


def test_a_single_slot_takes_turns() -> None:
    ledger, owners = _ledger(0.5, a=ALL, b=ALL), list[str]()
    for turn in range(6):
        now = turn * TURN + 0.5
        targets = _targets_at(ledger, now, 0.5, a=ALL, b=ALL)
        assert sum(targets.values()) == 1
        owners.append(max(targets, key=lambda name: targets[name]))
    assert owners in (["a", "b"] * 3, ["b", "a"] * 3)


def test_a_new_ledger_gives_nothing_away_before_the_last_lease_of_the_old_one_is_over() -> None:
    ledger = Ledger(reserved_until=10.0)
    ledger.report("a", 20, held=5, wanted=ALL, is_current=True, now=8.0)
    assert ledger.assign(8.0) == {"a": 5}
    ledger.report("a", 20, held=5, wanted=ALL, is_current=True, now=10.9)
    assert ledger.assign(10.9) == {"a": 5}
    assert ledger.assign(10.0 + 1.0 + ARRIVAL) == {"a": 20}


def test_the_demand_is_the_highest_recent_use_and_all_while_requests_wait() -> None:
    demand, seen = Demand(), list[int]()
    samples = [(3, False)] + [(1, False)] * RECENT_SAMPLES + [(4, True)] * SHORT_SAMPLES + [(2, False)] * RECENT_SAMPLES
    for used, is_short in samples:
        demand.sample(used, 4, is_short=is_short)
        seen.append(demand.wanted)
    after = 1 + RECENT_SAMPLES
    assert seen[0] == seen[RECENT_SAMPLES - 1] == 3
    assert seen[RECENT_SAMPLES] == 1
    assert seen[after] == 6
    assert seen[after + SHORT_SAMPLES - 1] == ALL
    assert seen[-1] == 2
