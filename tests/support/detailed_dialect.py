"""A dialect whose answers have details. It parses answers as `v1` does, and adds the details that a test chooses."""

from collections.abc import Callable, Mapping
from typing import TypeAlias, TypeVar

import pytest

from batchrun.dialects import DIALECTS
from batchrun.dialects.v1 import V1
from batchrun.domain.answers import (
    AcceptedAnswer,
    Phase,
    PollAnswer,
    Refusal,
    RunDetails,
    RunState,
    SubmitAnswer,
    SyncResult,
)
from batchrun.domain.frozen import copied

Answer: TypeAlias = AcceptedAnswer | RunState | Refusal
DetailsOf: TypeAlias = Callable[[Answer], RunDetails | None]
A = TypeVar("A", bound=SubmitAnswer | PollAnswer)

USED = RunDetails(None, None, 10, 5, 15)


def usage(answer: Answer) -> RunDetails | None:
    """The log id and the address come with the acceptance of a run, and its tokens with its end."""
    if isinstance(answer, AcceptedAnswer):
        return RunDetails(f"log of {answer.run_id}", f"https://debug/{answer.run_id}")
    if isinstance(answer, Refusal):
        return RunDetails("log of a refusal")
    return USED if answer.phase is not Phase.RUNNING else None


class DetailedDialect(V1):
    """`details_of` returns the details of an answer. A test may replace it at any time."""

    name = "detailed"
    tells_details = True

    def __init__(self, details_of: DetailsOf) -> None:
        self.details_of = details_of

    def parse_submit(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        return self._with_details(super().parse_submit(status, headers, body, received_at))

    def parse_synchronous(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        return self._with_details(super().parse_synchronous(status, headers, body, received_at))

    def parse_poll(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> PollAnswer:
        return self._with_details(super().parse_poll(status, headers, body, received_at))

    def _with_details(self, answer: A) -> A:
        if isinstance(answer, SyncResult):
            return copied(answer, state=copied(answer.state, details=self.details_of(answer.state)))
        if isinstance(answer, AcceptedAnswer | RunState | Refusal):
            return copied(answer, details=self.details_of(answer))
        return answer


def registered(patch: pytest.MonkeyPatch, details_of: DetailsOf = usage) -> DetailedDialect:
    """Register the dialect as `--api detailed` until the end of the test."""
    dialect = DetailedDialect(details_of)
    patch.setitem(DIALECTS, dialect.name, dialect)
    return dialect
