"""The parsers never raise, whatever a server sends, and their results can be recorded and shown."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchrun.dialects.base import Dialect
from batchrun.dialects.detect import detected
from batchrun.dialects.open import Open
from batchrun.dialects.studio import Studio
from tests.support.examples import examples
from tests.support.recorded import all_recorded
from tests.unit.dialects.answer_checks import check_parsers
from tests.unit.dialects.spoken import NO_HEADERS

DIALECTS: list[Dialect] = [Open(), Studio()]


def check_all(status: int, body: bytes, headers: Mapping[str, str] = NO_HEADERS) -> None:
    for dialect in DIALECTS:
        check_parsers(dialect, status, body, headers)
        assert dialect.callback_run_id(body) is None
    assert detected(status, body) in {"open", "v1", None}


STATUS = st.sampled_from([200, 200, 201, 302, 400, 401, 404, 408, 410, 429, 500, 502, 503]) | st.integers(100, 599)
FIELD = st.sampled_from(
    [
        *("code", "msg", "data", "detail", "execute_id", "execute_status", "output", "Output", "error_code", "usage"),
        *("error_message", "error_msg", "interrupt_data", "create_time", "update_time", "logid", "log_id", "debug_url"),
        *("token", "token_count", "input_count", "content_type", "type", "workflow_detail", "input", "parameters"),
        *("items", "properties", "default_value", "required", "run_id", "error", "task_id", "node_status"),
    ]
)
WORDS = st.sampled_from(
    [
        *(0, "0", 4000, "4013", 4100, 4314, 6039, 777777775, 720701013, 200, 1730174063, "1e999", 1e300),
        *("Success", "Running", "Fail", "<UNSET>", "Cancel", "", "{}", "1", '{"content_type":1,"data":"x"}'),
        *('{"Output":"{}"}', '{"Output":""}', '{"Output":"\\ud800"}', "concurrency exceeds the maximum limit of 1000"),
    ]
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6) | WORDS
ANSWERS = st.recursive(
    VALUES,
    lambda inner: st.dictionaries(FIELD, inner, max_size=7) | st.lists(inner, max_size=2) | inner.map(json.dumps),
    max_leaves=20,
)


@pytest.mark.parametrize("body", [*all_recorded("open"), *all_recorded("studio")])
def test_recorded_answers_with_any_status(body: bytes) -> None:
    for status in range(100, 600):
        check_all(status, body)


@settings(max_examples=examples(300))
@given(STATUS, st.dictionaries(FIELD, ANSWERS, max_size=8))
def test_the_parsers_never_raise_on_json(status: int, answer: dict[str, Any]) -> None:
    check_all(status, json.dumps(answer).encode())


@given(STATUS, ANSWERS)
def test_the_parsers_never_raise_on_other_json(status: int, answer: Any) -> None:
    check_all(status, json.dumps(answer).encode())


@given(STATUS, st.binary(max_size=200))
def test_the_parsers_never_raise_on_bytes(status: int, body: bytes) -> None:
    check_all(status, body)


RECORDED = st.sampled_from([*all_recorded("open"), *all_recorded("studio")])


@settings(max_examples=examples(200))
@given(STATUS, RECORDED, st.integers(0, 900), st.integers(0, 255))
@example(200, b'{"code":0,"msg":"","data":[{"execute_status":"Success","output":"x"}]}', 66, 255)
def test_the_parsers_never_raise_on_json_with_one_byte_wrong(status: int, body: bytes, place: int, wrong: int) -> None:
    answer = bytearray(body)
    answer[place % len(body)] = wrong
    check_all(status, bytes(answer))
    check_all(status, bytes(answer[: place % len(body)]))


HEADER_TEXT = st.text(st.characters(exclude_categories=[]), max_size=20)
HEADERS = st.dictionaries(st.sampled_from(["retry-after", "x-tt-logid", "x-log-id"]), HEADER_TEXT)


@given(STATUS, ANSWERS, HEADERS)
def test_the_parsers_never_raise_on_headers(status: int, answer: Any, headers: dict[str, str]) -> None:
    check_all(status, json.dumps(answer).encode(), headers)


@pytest.mark.parametrize(
    "deep",
    [
        b"[" * 100_000,
        b'{"data":' * 50_000,
        b'{"code":0,"msg":"","data":' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"code":0,"msg":"","data":{"input":{"parameters":' + b'{"items":' * 300 + b"1" + b"}" * 300 + b"}}}",
        json.dumps({"code": 0, "msg": "", "data": "[" * 100_000}).encode(),
        json.dumps({"data": [{"execute_status": "Success", "output": '{"Output":' * 5000}]}).encode(),
        b'{"code":' + b"9" * 100_000 + b',"msg":"","execute_id":' + b"9" * 100_000 + b"}",
        b'{"data":[{"execute_status":"Success","create_time":' + b"9" * 5000 + b',"token":' + b"9" * 5000 + b"}]}",
    ],
)
def test_the_parsers_never_raise_on_depth_or_length(deep: bytes) -> None:
    for status in (200, 400, 500):
        check_all(status, deep)
