"""What can go wrong, on purpose: by share, and by the value of an input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from batchrun.domain.randomness import draw

Inputs = Mapping[str, msgspec.Raw]
"""The inputs of a run by name, each as the JSON text that was sent."""


class Fault(StrEnum):
    """The faults by the name of their option.

    Those of the *row* (`fail`, `stuck`, `reject`) are drawn from the inputs alone: the same row meets them each time
    it is sent. Those of the *moment* are drawn for every request anew, those of callbacks for every run.
    """

    FAIL = "fail"
    STUCK = "stuck"
    REJECT = "reject"
    ERROR = "error"
    UNAVAILABLE = "unavailable"
    LOST = "lost"
    GARBAGE = "garbage"
    SLOW = "slow"
    POLL_ERROR = "poll_error"
    CALLBACK_NEVER = "callback_never"
    CALLBACK_LATE = "callback_late"
    CALLBACK_EARLY = "callback_early"
    CALLBACK_DOUBLE = "callback_double"
    CALLBACK_FORGED = "callback_forged"
    CALLBACK_GARBAGE = "callback_garbage"


@dataclass(frozen=True, slots=True)
class Condition:
    """An input `name` is `value` (text as it is, anything else as JSON text)."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}={self.value}"

    def matches(self, inputs: Inputs) -> bool:
        """Whether these inputs meet it."""
        raw = inputs.get(self.name)
        return raw is not None and as_text(raw) == self.value


@dataclass(frozen=True, slots=True)
class FaultRule:
    """This fault befalls every request that meets the condition."""

    fault: Fault
    condition: Condition

    def __str__(self) -> str:
        return f"{self.fault}:{self.condition}"


def as_text(raw: msgspec.Raw) -> str:
    """A JSON string's value; the JSON text, as it was sent, of anything else."""
    literal = bytes(raw).strip()
    return msgspec.json.decode(literal, type=str) if literal.startswith(b'"') else literal.decode()


def parse_rule(text: str) -> FaultRule:
    """A rule from `KIND:NAME=VALUE`; raises ValueError that says what would be right."""
    kind, _, rest = text.partition(":")
    condition = parse_condition(rest)
    if kind not in list(Fault) or condition is None:
        raise ValueError(f"write KIND:NAME=VALUE, for example error:id=17; KIND is one of {', '.join(Fault)}")
    return FaultRule(Fault(kind), condition)


def parse_condition(text: str) -> Condition | None:
    """A condition from `NAME=VALUE`; None where it is none."""
    name, equals, value = text.partition("=")
    return Condition(name, value) if name and equals else None


class Faults:
    """Decides which request meets which fault: a pure function of the seed and of what the request is."""

    def __init__(self, shares: Mapping[Fault, float], rules: Sequence[FaultRule], seed: int) -> None:
        self._shares = shares
        self._rules = {fault: [rule for rule in rules if rule.fault is fault] for fault in Fault}
        self._seed = seed

    def strikes(self, fault: Fault, inputs: Inputs, *what: object) -> bool:
        """Whether `fault` befalls the request; `what` tells one draw from another."""
        share = self._shares[fault]
        if share and draw(self._seed, fault, *what) < share:
            return True
        return any(rule.condition.matches(inputs) for rule in self._rules[fault])

    def has_rules(self, *faults: Fault) -> bool:
        """Whether any of these depends on the inputs."""
        return any(self._rules[fault] for fault in faults)
