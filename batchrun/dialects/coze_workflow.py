"""The description of a workflow. The request for it starts no run."""

import msgspec

from batchrun.dialects import raw_json
from batchrun.dialects.base import ApiRequest, path_segment, unix_ms, with_query
from batchrun.dialects.coze_answer import CozeAnswer
from batchrun.domain.workflow_info import DeclaredInput, WorkflowInfo

MAX_DEPTH = 10
"""Inputs that are nested more deeply are ignored."""


def workflow_request(workflow_id: str) -> ApiRequest:
    """The request for the description of a workflow and its inputs."""
    path = f"/v1/workflows/{path_segment(workflow_id)}"
    return ApiRequest("GET", with_query(path, {"include_input_output": "true"}))


def workflow_info(answer: CozeAnswer) -> WorkflowInfo | None:
    """The description; None if the answer has none."""
    data = raw_json.fields(answer.fields.data)
    if not data:
        return None
    detail = raw_json.fields(data.get("workflow_detail")) or data
    parameters = raw_json.fields(data.get("input")).get("parameters")
    app_id = raw_json.text(detail.get("app_id"))
    name = raw_json.message(detail.get("workflow_name")) or raw_json.message(detail.get("name"))
    return WorkflowInfo(
        name=printable(name) if name else None,
        workflow_id=raw_json.text(detail.get("workflow_id")),
        app_id=None if app_id in {"", "0"} else app_id,
        version=raw_json.text(detail.get("version")) or raw_json.text(data.get("version")),
        updated_at=unix_ms(detail.get("updated_at")),
        inputs=_inputs(parameters, MAX_DEPTH),
    )


def _inputs(raw: msgspec.Raw | None, depth: int) -> dict[str, DeclaredInput] | None:
    parameters = None if raw is None else raw_json.members(bytes(raw))
    return None if parameters is None else {printable(name): _input(value, depth) for name, value in parameters.items()}


def printable(text: str) -> str:
    """`text` with escapes in place of what a terminal or a file cannot take."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _input(raw: msgspec.Raw, depth: int) -> DeclaredInput:
    fields = raw_json.fields(raw)
    items = fields.get("items")
    return DeclaredInput(
        type=raw_json.text(fields.get("type")) or "",
        required=bytes(fields.get("required", b"")) == b"true",
        description=raw_json.text(fields.get("description")) or "",
        default=_default(fields.get("default_value")),
        items=_input(items, depth - 1) if items is not None and raw_json.is_given(items) and depth else None,
        properties=_inputs(fields.get("properties"), depth - 1) if depth else None,
    )


def _default(raw: msgspec.Raw | None) -> str | None:
    if raw is None or not raw_json.is_given(raw):
        return None
    text = raw_json.text(raw)
    return bytes(raw).decode("utf-8", "replace") if text is None else text
