"""Injected faults: for a share of the requests, or for requests with a certain input value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from batchrun.domain.randomness import draw

Inputs = Mapping[str, msgspec.Raw]
"""The inputs of a run by name, each as the JSON text that was received."""


class Fault(StrEnum):
    """The faults, named like their options.

    `fail`, `stuck`, `interrupt` and `reject` depend on the inputs alone, so a row gets the same fault each time it is
    submitted.
    The callback faults are drawn once per run, the remaining ones once per request.
    """

    FAIL = "fail"
    STUCK = "stuck"
    INTERRUPT = "interrupt"
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
    """Requires that the input `name` equals `value`. Strings are compared as they are, other values as JSON text."""

    name: str
    value: str

    def __str__(self) -> str:
        return f"{self.name}={self.value}"

    def matches(self, inputs: Inputs) -> bool:
        """Whether these inputs satisfy the condition."""
        raw = inputs.get(self.name)
        return raw is not None and as_text(raw) == self.value


@dataclass(frozen=True, slots=True)
class FaultRule:
    """Injects a fault into every request that satisfies the condition."""

    fault: Fault
    condition: Condition

    def __str__(self) -> str:
        return f"{self.fault}:{self.condition}"


def as_text(raw: msgspec.Raw) -> str:
    """The value of a JSON string; for any other value its JSON text, unchanged."""
    literal = bytes(raw).strip()
    return msgspec.json.decode(literal, type=str) if literal.startswith(b'"') else literal.decode()


def parse_rule(text: str) -> FaultRule:
    """Parse a rule such as `error:id=17`. Raises ValueError with the expected form."""
    fault, _, rest = text.partition(":")
    condition = parse_condition(rest)
    if fault not in list(Fault) or condition is None:
        raise ValueError(f"write KIND:NAME=VALUE, for example error:id=17; KIND is one of {', '.join(Fault)}")
    return FaultRule(Fault(fault), condition)


def parse_condition(text: str) -> Condition | None:
    """Parse `NAME=VALUE`. Returns None if the text has another form."""
    name, equals, value = text.partition("=")
    return Condition(name, value) if name and equals else None


class Faults:
    """Decides which requests get which faults, as a pure function of the seed and the request."""

    def __init__(self, shares: Mapping[Fault, float], rules: Sequence[FaultRule], seed: int) -> None:
        self._shares = shares
        self._rules = {fault: [rule for rule in rules if rule.fault is fault] for fault in Fault}
        self._seed = seed

    def applies(self, fault: Fault, inputs: Inputs, *draw_key: object) -> bool:
        """Whether to inject `fault`. `draw_key` identifies the random draw: equal keys give equal draws."""
        share = self._shares[fault]
        if share and draw(self._seed, fault, *draw_key) < share:
            return True
        return any(rule.condition.matches(inputs) for rule in self._rules[fault])

    def has_rules(self, *faults: Fault) -> bool:
        """Whether any of these faults depends on the inputs."""
        return any(self._rules[fault] for fault in faults)
