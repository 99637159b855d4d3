"""Short calls of the functions of a dialect, for tests."""

import json
from collections.abc import Mapping
from typing import Any

from batchrun.dialects.base import Dialect
from batchrun.domain.answers import PollAnswer, Refusal, RunState, SubmitAnswer, SyncResult

NOW = 1_761_667_200_000
NO_HEADERS: Mapping[str, str] = {}


def body(value: Any) -> bytes:
    """`value` as a body: bytes unchanged, anything else as JSON."""
    return value if isinstance(value, bytes) else json.dumps(value).encode()


class Spoken:
    """The functions of a dialect, with default arguments."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect

    def sent(self, inputs: Mapping[str, object], **how: Any) -> Any:
        """The body of a submission to the workflow `w`."""
        request = self.dialect.submit_request("w", inputs, **how)
        assert (request.method, request.path) == ("POST", "/v1/workflow/run")
        assert request.body is not None
        return json.loads(request.body)

    def submit(self, value: Any, status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> SubmitAnswer:
        """The meaning of an answer to an asynchronous submission."""
        return self.dialect.parse_submit(status, headers, body(value), NOW)

    def synchronous(self, value: Any, status: int = 200, headers: Mapping[str, str] = NO_HEADERS) -> SubmitAnswer:
        """The meaning of an answer to a synchronous submission."""
        return self.dialect.parse_synchronous(status, headers, body(value), NOW)

    def poll(self, value: Any, status: int = 200) -> PollAnswer:
        """The meaning of an answer to a poll."""
        return self.dialect.parse_poll(status, NO_HEADERS, body(value), NOW)

    def state(self, value: Any) -> RunState:
        """The state in an answer to a poll."""
        found = self.poll(value)
        assert isinstance(found, RunState), found
        return found

    def ended(self, value: Any, status: int = 200) -> SyncResult:
        """The result in an answer to a synchronous submission."""
        found = self.synchronous(value, status)
        assert isinstance(found, SyncResult), found
        return found


def refused(answer: SubmitAnswer | PollAnswer) -> Refusal:
    """`answer`, which must be a refusal."""
    assert isinstance(answer, Refusal), answer
    return answer
