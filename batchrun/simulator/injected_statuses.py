"""Refusals on demand: a status for a share of the requests, or for those of certain rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from batchrun.domain.randomness import draw
from batchrun.simulator.faults import Condition, Inputs

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    413: "PAYLOAD_TOO_LARGE",
    422: "UNPROCESSABLE_ENTITY",
    429: "RATE_LIMITED",
    500: "INTERNAL_SERVER_ERROR",
    503: "SERVICE_UNAVAILABLE",
}
"""The statuses that can be demanded, and the codes in their envelopes."""

USAGE = (
    "write post or poll, a status and a share, or an input, as in post:403:5% or poll:401:id=17; "
    f"the statuses are {', '.join(map(str, CODES))}"
)


@dataclass(frozen=True, slots=True)
class StatusRule:
    """This status is the answer to a share of the POSTs (or polls), or to all those whose input has this value."""

    sort: str
    status: int
    share: float
    condition: Condition | None = None

    def __str__(self) -> str:
        return f"{self.sort}:{self.status}:{self.condition or format(self.share, 'g')}"


class InjectedStatuses:
    """Decides which request is refused, and with which status: a pure function of the seed and of what it is."""

    def __init__(self, rules: Sequence[StatusRule], seed: int) -> None:
        self._rules = rules
        self._seed = seed

    def status(self, sort: str, inputs: Inputs, *what: object) -> int | None:
        """The status that is demanded for this request; None for none. `what` tells one draw from another."""
        for number, rule in enumerate(self._rules):
            if rule.sort != sort:
                continue
            by_share = rule.share and draw(self._seed, "answer", number, *what) < rule.share
            if by_share or (rule.condition is not None and rule.condition.matches(inputs)):
                return rule.status
        return None

    @property
    def poll_inputs_matter(self) -> bool:
        """Whether it depends on the inputs what a poll is answered."""
        return any(rule.sort == "poll" and rule.condition is not None for rule in self._rules)
