"""What is tried: which fault is met by which request of which row, and how often."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.harness.faulty_network.answers import ANSWERS
from tests.harness.faulty_network.damaged import damaged
from tests.harness.faulty_network.fault import Fault, Outcome
from tests.harness.faulty_network.framing import FRAMING
from tests.harness.faulty_network.service import MOMENTS
from tests.harness.faulty_network.statuses import combinations

ALWAYS = 1000
"""A row meets the fault with each of its requests."""
POSITIONS = {"first": 0, "middle": 2, "last": 4}
"""The row that meets the fault, by where it is."""
SPREAD = 250
"""How far apart the combinations are that are tried in the short form."""


@dataclass(frozen=True, slots=True)
class Case:
    """One job. `moment`: of the requests that meet the fault; `times`: how many of them."""

    fault: Fault
    api: str
    moment: str
    position: str
    times: int = 1

    @property
    def outcome(self) -> Outcome | None:
        """What must become of the row; None if all that can be said is that it is not submitted twice."""
        return self.fault.outcome(self.moment)

    def __str__(self) -> str:
        often = "each time" if self.times == ALWAYS else "once"
        return f"{self.fault.name!r} {often} at {self.moment} of the {self.position} row, --api {self.api}"


def named_cases(full: bool) -> list[Case]:
    """The faults that have a name: at all positions, or each at each moment at one position."""
    return [*_all_named()] if full else [*_some_named()]


def _all_named() -> Iterator[Case]:
    for fault, moment, outcome in _moments():
        for api in fault.apis:
            for position in _positions(fault):
                yield Case(fault, api, moment, position)
            if _ends_although_repeated(moment, outcome):
                yield Case(fault, api, moment, "middle", ALWAYS)


def _some_named() -> Iterator[Case]:
    for number, (fault, moment, outcome) in enumerate(_moments()):
        api, positions = fault.apis[number % len(fault.apis)], _positions(fault)
        yield Case(fault, api, moment, positions[number % len(positions)])
        if number % 10 == 0 and _ends_although_repeated(moment, outcome):
            yield Case(fault, api, moment, "middle", ALWAYS)


def _moments() -> Iterator[tuple[Fault, str, Outcome]]:
    for fault in [*FRAMING, *ANSWERS]:
        for moment in MOMENTS:
            if (outcome := fault.outcome(moment)) is not None:
                yield fault, moment, outcome


def _positions(fault: Fault) -> list[str]:
    return [position for position in POSITIONS if position != "first" or not fault.needs_another]


def _ends_although_repeated(moment: str, outcome: Outcome) -> bool:
    return outcome in ({Outcome.REPEATED, Outcome.GONE} if moment == "poll" else {Outcome.AGAIN})


def combined_cases(full: bool) -> list[Case]:
    """Statuses with bodies in frames: all of them, or a few that are spread over them."""
    found = [*_combined()]
    return found if full else found[::SPREAD]


def _combined() -> Iterator[Case]:
    for number, fault in enumerate(combinations()):
        (api,) = fault.apis
        for moment in MOMENTS:
            outcome = fault.outcome(moment)
            assert outcome is not None
            yield Case(fault, api, moment, "middle")
            if number % 10 == 0:
                yield Case(fault, api, moment, "first")
                if _ends_although_repeated(moment, outcome):
                    yield Case(fault, api, moment, "middle", ALWAYS)


def damaged_cases(count: int) -> list[Case]:
    """Good answers in which some bytes are changed, inserted or missing, by their seeds."""
    return [Case(*damaged(seed), position="middle") for seed in range(count)]
