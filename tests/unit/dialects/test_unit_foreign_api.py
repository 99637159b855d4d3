"""Answers of other APIs, as they are documented, and everything that is none of them."""

import json
from collections.abc import Container
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.dialects import DIALECTS
from batchrun.dialects.foreign_api import ForeignApi, recognise
from batchrun.dialects.v1 import V1

# api, whether it proves that no run was made, what it calls the run, status, body
SHAPES: list[tuple[str, bool, str | None, int, str]] = [
    ("open", False, "execute_id 741364789030728", 200, '{"code":0,"execute_id":"741364789030728","debug_url":"https://x"}'),
    ("open", False, "execute_id 741364", 200, '{"debug_url":"https://www.coze.cn/work_flow","execute_id":"741364","msg":""}'),
    ("open", False, "debug_url", 200, '{"code":0,"data":"{\\"output\\":\\"x\\"}","debug_url":"https://x","msg":"Success"}'),
    ("open", False, None, 200, '{"code":0,"data":"{}","msg":""}'),
    ("open", True, None, 200, '{"code":4100,"msg":"authentication is invalid"}'),
    ("open", True, None, 401, '{"code":4101,"msg":"no permission","detail":{"logid":"2025"}}'),
    ("open", False, None, 200, '{"code":4000,"msg":"Missing required parameters","detail":{"logid":"2025"}}'),
    ("open", False, None, 400, '{"code":"4000","msg":"bad"}'),
    ("open", False, "debug_url", 200, '{"code":720701013,"msg":"failed","debug_url":"https://x"}'),
    ("studio", True, None, 200, '{"code":700012006,"msg":"authentication failed: missing session_key in cookie"}'),
    ("studio", False, "execute_id 75", 200,
     '{"code":0,"msg":null,"data":null,"cost":null,"debug_url":"http://s","execute_id":"75","BaseResp":null}'),
    ("studio", False, "execute_id 7563", 200, '{"code":0,"execute_id":7563,"BaseResp":null}'),
    ("site", False, "task_id 0d3e", 200, '{"task_id":"0d3e","status":"pending"}'),
    ("site", False, None, 404, '{"detail":"Not Found"}'),
    ("site", False, None, 405, '{"detail":"Method Not Allowed"}'),
]  # fmt: skip


@pytest.mark.parametrize(("api", "refused", "run", "status", "body"), SHAPES)
def test_the_documented_answers_of_others(api: str, refused: bool, run: str | None, status: int, body: str) -> None:
    found = recognise(status, body.encode())
    assert found is not None
    assert (found.api, found.refused, found.run) == (api, refused, run)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, '{"run_id":"r","status":"pending","code":0,"msg":""}'),
        (200, '{"run_id":"","status":"pending"}'),
        (400, '{"error":{"code":"ERROR_CODE","message":"why"}}'),
        (422, '{"detail":[{"loc":["body","inputs"],"msg":"field required"}]}'),
        (401, '{"detail":"Not authenticated"}'),
        (404, '{"detail":"Not Found","error":{"code":"NOT_FOUND","message":"no"}}'),
        (400, '{"code":400,"msg":"bad request"}'),
        (400, '{"code":12345,"msg":"of a gateway"}'),
        (429, '{"code":429,"msg":"slow down"}'),
        (500, '{"code":500,"message":"oh"}'),
        (200, '{"code":4100}'),
        (200, '{"code":"OK","msg":"fine"}'),
        (200, '{"execute_id":null}'),
        (200, '{"task_id":""}'),
        (200, "{}"),
        (200, "[]"),
        (200, "<html>"),
        (200, ""),
    ],
)
def test_own_and_unknown_answers_are_not_those_of_another_api(status: int, body: str) -> None:
    assert V1().foreign_api(status, body.encode()) is None


@pytest.mark.parametrize(
    ("run", "code", "status", "body"),
    [
        ("run_id r", None, 200, '{"run_id":"r","status":"pending","code":0,"msg":""}'),
        (None, "NOT_FOUND", 404, '{"error":{"code":"NOT_FOUND","message":"no such workflow"}}'),
    ],
)
def test_the_documented_api_is_recognised_too(run: str | None, code: str | None, status: int, body: str) -> None:
    assert recognise(status, body.encode()) == ForeignApi("v1", code, run)


def test_the_self_hosted_server_is_recognised_by_its_demand_for_a_session_and_not_by_its_code() -> None:
    session = recognise(401, b'{"code":401,"msg":"missing session_key in cookie"}')
    assert session == ForeignApi("studio")
    token = recognise(200, b'{"code":700012006,"msg":"authentication failed: no such token"}')
    assert token == ForeignApi("open", "700012006")


KEYS = st.sampled_from(
    ["code", "msg", "execute_id", "debug_url", "data", "task_id", "detail", "BaseResp", "run_id", "error"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5) | st.just("4100"),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@given(st.integers(100, 599), st.dictionaries(KEYS, VALUES, max_size=6), st.integers(0, 200), st.integers(0, 255))
def test_it_never_raises(status: int, answer: Any, place: int, wrong: int) -> None:
    body = bytearray(json.dumps(answer).encode())
    for _ in range(2):
        found = recognise(status, bytes(body))
        assert found is None or found.advice(DIALECTS)
        body[place % len(body)] = wrong


@given(st.integers(100, 599), st.binary(max_size=100))
def test_it_never_raises_on_bytes(status: int, body: bytes) -> None:
    recognise(status, body)


def test_it_never_raises_on_depth_or_length() -> None:
    for body in (b'{"code":' + b"[" * 50_000, b'{"code":' + b"9" * 10_000 + b',"msg":1}', b'{"execute_id":1e999999}'):
        recognise(200, body)


@pytest.mark.parametrize("api", ["open", "studio", "site"])
@pytest.mark.parametrize("spoken", [(), ("v1", "open"), DIALECTS])
def test_the_advice_names_an_option_only_as_what_it_is(api: str, spoken: Container[str]) -> None:
    advice = ForeignApi(api).advice(spoken)
    if api in spoken:
        assert f"use --api {api}" in advice
    elif api == "site":
        assert "--api" not in advice
    else:
        assert f"--api {api}, which this version of batchrun does not speak yet" in advice
