"""The parsers of a dialect that is not part of batchrun never raise either."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.contract.dify import PHASES, Dify
from tests.support.examples import examples
from tests.unit.dialects.answer_checks import check_parsers

STATUS = st.sampled_from([200, 200, 400, 401, 404, 429, 500, 503]) | st.integers(100, 599)
FIELD = st.sampled_from(
    [
        *("workflow_run_id", "task_id", "data", "id", "status", "outputs", "error", "created_at", "finished_at"),
        *("code", "message"),
    ]
)
WORDS = st.sampled_from([*PHASES, "too_many_requests", "rate_limit_error", "..", "run-1", 1_760_000_000, "1e999"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6) | WORDS
ANSWERS = st.recursive(
    VALUES, lambda inner: st.dictionaries(FIELD, inner, max_size=7) | st.lists(inner, max_size=2), max_leaves=20
)


@settings(max_examples=examples(300))
@given(STATUS, st.dictionaries(FIELD, ANSWERS, max_size=8))
@example(200, {"workflow_run_id": "r", "data": {"status": "succeeded", "outputs": None}})
@example(200, {"workflow_run_id": "r", "data": {"status": "paused"}})
@example(200, {"workflow_run_id": "..", "data": {"status": "running"}})
def test_on_json(status: int, answer: dict[str, Any]) -> None:
    check_parsers(Dify(), status, json.dumps(answer).encode())


@given(STATUS, ANSWERS)
def test_on_other_json(status: int, answer: Any) -> None:
    check_parsers(Dify(), status, json.dumps(answer).encode())


@given(STATUS, st.binary(max_size=200))
def test_on_bytes(status: int, body: bytes) -> None:
    check_parsers(Dify(), status, body)


@settings(max_examples=examples(200))
@given(STATUS, st.dictionaries(FIELD, ANSWERS, max_size=8), st.integers(0, 300), st.integers(0, 255))
def test_on_json_with_one_byte_wrong(status: int, answer: dict[str, Any], place: int, wrong: int) -> None:
    body = bytearray(json.dumps(answer).encode())
    body[place % len(body)] = wrong
    check_parsers(Dify(), status, bytes(body))
