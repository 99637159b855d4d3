"""The description of a workflow, and the detection of the dialect by the answer to this request."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.dialects.base import ApiRequest, Dialect
from batchrun.dialects.detect import detected
from batchrun.dialects.open import Open
from batchrun.dialects.studio import Studio
from batchrun.dialects.v1 import V1
from batchrun.domain.answers import Inconclusive, Refusal, RefusalKind
from batchrun.domain.workflow_info import DeclaredInput, WorkflowInfo
from tests.support.recorded import recorded
from tests.unit.dialects.spoken import NOW, body

DIALECTS: list[Dialect] = [Open(), Studio()]


def parsed(answer: Any, status: int = 200, dialect: Dialect = DIALECTS[0]) -> WorkflowInfo | Refusal | Inconclusive:
    return dialect.parse_workflow(status, {"retry-after": "7"}, body(answer), NOW)


def described(answer: Any) -> WorkflowInfo:
    found = parsed(answer)
    assert isinstance(found, WorkflowInfo), found
    return found


def inputs(parameters: Any) -> dict[str, DeclaredInput]:
    found = described({"code": 0, "data": {"input": {"parameters": parameters}}}).inputs
    assert found is not None
    return dict(found)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_request(dialect: Dialect) -> None:
    asked = ApiRequest("GET", "/v1/workflows/74%2F1%3F2?include_input_output=true")
    assert dialect.probe_request("74/1?2") == asked


def test_the_documented_api_has_no_descriptions() -> None:
    assert V1().probe_request("w") is None
    assert V1().parse_workflow(404, {}, b"no", NOW) == Inconclusive("HTTP 404: no", 404)


def test_the_documented_description() -> None:
    assert described(recorded("open", "workflow")) == WorkflowInfo(
        name="workflow_image",
        workflow_id="750712******91219",
        app_id="7493481****8294",
        updated_at=1747983675_000,
        inputs={
            "CONVERSATION_NAME": DeclaredInput("string", default=""),
            "USER_INPUT": DeclaredInput("string", required=True),
            "images": DeclaredInput("array", required=True, description="上传的图片。", items=DeclaredInput("image")),
            "size": DeclaredInput("object", properties={"width": DeclaredInput("integer", required=True)}),
        },
    )


def test_fields_outside_the_documented_example() -> None:
    detail = {"workflow_name": "n", "version": "v0.0.5", "updated_at": "1701234567", "app_id": "0"}
    found = described({"data": {"workflow_detail": detail}})
    assert (found.version, found.updated_at, found.app_id) == ("v0.0.5", 1701234567_000, None)
    assert found.inputs is None, "not reported"
    assert inputs({}) == {}


@pytest.mark.parametrize(
    ("parameter", "found"),
    [
        ({"type": "number", "default_value": 5}, DeclaredInput("number", default="5")),
        ({"type": "object", "default_value": {"a": 1}}, DeclaredInput("object", default='{"a": 1}')),
        ({"type": "string", "default_value": None, "required": "yes"}, DeclaredInput("string")),
        ({"type": "array", "items": None, "properties": []}, DeclaredInput("array")),
        ({"type": 7, "description": ["x"]}, DeclaredInput("7")),
        ({}, DeclaredInput("")),
        ("string", DeclaredInput("")),
    ],
)
def test_an_input_however_it_is_declared(parameter: object, found: DeclaredInput) -> None:
    assert inputs({"a": parameter}) == {"a": found}


def test_deeply_nested_inputs_are_cut_off() -> None:
    parameter: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        parameter = {"type": "array", "items": parameter, "properties": {"a": parameter} if _ < 5 else None}
    found, depth = inputs({"a": parameter})["a"], 0
    while found.items is not None:
        found, depth = found.items, depth + 1
    assert depth == 10


@pytest.mark.parametrize(
    ("status", "answer", "kind"),
    [
        (200, {"code": 4101, "msg": "no permission"}, RefusalKind.CONFIGURATION),
        (200, {"code": 4200, "msg": "no workflow"}, RefusalKind.CONFIGURATION),
        (401, {"code": 4100, "msg": "token"}, RefusalKind.CREDENTIALS),
        (429, b"", RefusalKind.THROTTLED),
        (503, b"", RefusalKind.BUSY),
    ],
)
def test_a_description_that_is_refused(status: int, answer: object, kind: RefusalKind) -> None:
    for dialect in DIALECTS:
        found = parsed(answer, status, dialect)
        assert isinstance(found, Refusal)
        assert (found.kind, found.retry_after) == (kind, 7)


@pytest.mark.parametrize(
    "answer", [b"", {}, [], {"code": 0, "msg": ""}, {"code": 0, "data": None}, {"code": 0, "data": []}]
)
def test_an_answer_without_a_workflow(answer: object) -> None:
    assert isinstance(parsed(answer), Inconclusive)


# -- detection of the dialect


@pytest.mark.parametrize(
    ("status", "answer", "found"),
    [
        (200, {"code": 0, "data": {}, "msg": ""}, "open"),
        (200, {"code": "0"}, "open"),
        (200, {"code": 4101, "msg": "no permission"}, "open"),
        (200, {"code": 700012006, "msg": "token"}, "open"),
        (401, {"code": 4100, "msg": "token"}, "open"),
        (404, {"code": 4200, "msg": "no workflow"}, "open"),
        (404, {"code": 4200}, "open"),
        (429, {"code": 4013, "msg": "slow"}, "open"),
        (404, b"", "v1"),
        (405, b"<html>", "v1"),
        (404, {"error": {"code": "NOT_FOUND", "message": "no such path"}}, "v1"),
        (404, {"code": 404, "msg": "not found"}, "v1"),
        (404, {"code": "NOT_FOUND"}, "v1"),
        (200, {"code": 200, "msg": "ok"}, None),
        (200, {"code": 12345}, None),
        (200, {"code": True}, None),
        (200, {"code": 0.5}, None),
        (200, {"code": None, "data": {}}, None),
        (200, {"run_id": "r", "status": "pending"}, None),
        (200, b"<html>", None),
        (401, {"error": {"code": "UNAUTHORIZED", "message": "token"}}, None),
        (403, b"denied by the proxy", None),
        (407, b"", None),
        (429, b"", None),
        (500, {"code": 500, "msg": "oh"}, None),
        (502, b"<html>", None),
        (301, b"", None),
    ],
)
def test_the_dialect_that_an_answer_shows(status: int, answer: object, found: str | None) -> None:
    assert detected(status, body(answer)) == found


@given(st.integers(100, 599), st.binary(max_size=200))
def test_the_status_decides_for_any_bytes(status: int, answer: bytes) -> None:
    assert detected(status, answer) == ("v1" if status in {404, 405} else None)
