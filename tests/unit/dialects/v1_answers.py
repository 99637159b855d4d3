"""Short calls of the functions of the dialect `v1`, and the times and bodies of its examples."""

from collections.abc import Mapping
from typing import Any, TypeVar

from hypothesis import strategies as st

from batchrun.dialects.v1 import V1
from batchrun.domain.answers import (
    UNIDENTIFIED,
    AcceptedAnswer,
    Inconclusive,
    Refusal,
    RunState,
    SubmitAnswer,
    SyncResult,
)
from batchrun.domain.frozen import copied
from tests.unit.dialects.spoken import NO_HEADERS, NOW

CREATED = 1_761_667_120_000
"""2025-10-28T15:58:40Z, as in all the examples."""

Answer = TypeVar("Answer", bound=SubmitAnswer | RunState)

v1 = V1()


def _unidentified(answer: Answer) -> Answer:
    """The answer without what it says about its run, which `test_unit_v1_identity` tests."""
    if isinstance(answer, SyncResult):
        return copied(answer, state=copied(answer.state, identity=UNIDENTIFIED))
    return copied(answer, identity=UNIDENTIFIED) if isinstance(answer, RunState | AcceptedAnswer) else answer


def submit(status: int, body: bytes | str, headers: Mapping[str, str] = NO_HEADERS) -> SubmitAnswer:
    return _unidentified(v1.parse_submit(status, headers, body.encode() if isinstance(body, str) else body, NOW))


def synchronous(status: int, body: bytes | str, headers: Mapping[str, str] = NO_HEADERS) -> SubmitAnswer:
    return _unidentified(v1.parse_synchronous(status, headers, body.encode() if isinstance(body, str) else body, NOW))


def poll(status: int, body: bytes | str, headers: Mapping[str, str] = NO_HEADERS) -> RunState | Refusal | Inconclusive:
    return _unidentified(v1.parse_poll(status, headers, body.encode() if isinstance(body, str) else body, NOW))


def state(body: bytes | str) -> RunState:
    found = poll(200, body)
    assert isinstance(found, RunState)
    return found


def submission(workflow_id: str, inputs: Mapping[str, object], **how: Any) -> bytes:
    """The body of a submission."""
    body = v1.submit_request(workflow_id, inputs, **how).body
    assert body is not None
    return body


EXAMPLE_TIMES = '"created_at": "2025-10-28T15:58:40Z", "updated_at": "%s"'
OUTPUT = '{\n    "result": "success",\n    "data": {\n      "key1": "value1",\n      "key2": "value2"\n    }\n  }'

HTML = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
ENVELOPE = '{"error": {"code": "X", "message": "why"}}'

FAILED = '"error": {"code": "WORKFLOW_EXECUTION_ERROR", "message": "Workflow execution failed due to invalid input."}'

JSON_TREES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
