"""Injected HTTP error statuses: for a share of the requests, or for requests with a certain input value."""

from collections.abc import Sequence
from dataclasses import dataclass

from batchrun.domain.randomness import draw
from batchrun.simulator.faults import Condition, Inputs

ERROR_CODES = {
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
"""HTTP statuses that can be injected → error code in the response."""

RULE_FORMAT = (
    "write post, poll or upload, a status and a share, or an input, as in post:403:5% or poll:401:id=17; "
    f"the statuses are {', '.join(map(str, ERROR_CODES))}"
)


@dataclass(frozen=True, slots=True)
class StatusRule:
    """Answers a share of the POSTs, polls or uploads, or those that match the condition, with an HTTP error status."""

    operation: str
    """`post`, `poll` or `upload`."""
    status: int
    share: float
    """Share of the requests, from 0 to 1."""
    condition: Condition | None = None

    def __str__(self) -> str:
        return f"{self.operation}:{self.status}:{self.condition or format(self.share, 'g')}"


class InjectedStatuses:
    """Decides which requests get an injected status, as a pure function of the seed and the request."""

    def __init__(self, rules: Sequence[StatusRule], seed: int) -> None:
        self._rules = rules
        self._seed = seed

    def status(self, operation: str, inputs: Inputs, *draw_key: object) -> int | None:
        """The status to inject, or None. `draw_key` identifies the random draw: equal keys give equal draws."""
        for number, rule in enumerate(self._rules):
            if rule.operation != operation:
                continue
            drawn = rule.share and draw(self._seed, "answer", number, *draw_key) < rule.share
            if drawn or (rule.condition is not None and rule.condition.matches(inputs)):
                return rule.status
        return None

    @property
    def polls_depend_on_inputs(self) -> bool:
        """Whether the answer to a poll depends on the inputs of its run."""
        return any(rule.operation == "poll" and rule.condition is not None for rule in self._rules)
