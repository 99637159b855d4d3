"""Unwraps the output of a workflow from the layers of JSON strings that surround it.

The output in a poll of the cloud is a string that contains an object of nodes; the member `Output` is the output of the
End node, again as a string. That string contains either the variables of the workflow as JSON, or a text envelope with
the text in `data`. A synchronous answer and the self-hosted server have the inner layer only. A layer that is not JSON
is the output itself, and becomes a JSON string, so that nothing is lost.
"""

import json
import re

import msgspec

from batchrun.dialects import raw_json
from batchrun.domain import lenient_json
from batchrun.nesting import bounded

_TEXT_ENVELOPE = frozenset({"content_type", "data", "original_result", "type_for_model"})
_NO_OUTPUT_NODES = frozenset({"Output", "node_status"})

_ESCAPED_SURROGATE = re.compile(r"(?<!\\)(?:\\\\)*+\\[\ud800-\udfff]")
"""A surrogate after a backslash that escapes it: no JSON."""

_decode = bounded(msgspec.json.Decoder(msgspec.Raw).decode)


def workflow_output(raw: msgspec.Raw | None, *, by_node: bool) -> str | None:
    """The output as JSON text with unchanged number literals; None if there is none.

    `by_node`: whether it is inside an object of nodes.
    """
    if raw is None or not raw_json.is_given(raw):
        return None
    text = _text(raw)
    return _as_json(_end_node_output(text) if by_node else text)


def _end_node_output(text: str) -> str:
    """The output of the End node, or the whole object if the End node has none and another node has one."""
    nodes = raw_json.members(_encoded(text)) or {}
    if (end := nodes.get("Output")) is None or bytes(end)[:1] != b'"':
        return text
    others = (_text(raw) for name, raw in nodes.items() if name not in _NO_OUTPUT_NODES and raw_json.is_given(raw))
    return _text(end) if _text(end) or not any(others) else text


def _as_json(text: str) -> str:
    """`text` itself if it is JSON (of a text envelope, only `data`), otherwise a JSON string with this value."""
    literal = _json_literal(text)
    if literal is None:
        return _escaped(json.dumps(text, ensure_ascii=False))
    envelope = raw_json.members(literal) if b'"content_type"' in literal else None
    if envelope and envelope.keys() <= _TEXT_ENVELOPE and raw_json.text(envelope.get("content_type")) == "1":
        data = bytes(envelope.get("data", b""))
        literal = data if data[:1] == b'"' else literal
    return _escaped(_decoded(literal))


def _json_literal(text: str) -> bytes | None:
    """`text` without surrounding white space if it is JSON, otherwise None."""
    encoded = _encoded(text)
    try:
        return bytes(_decode(encoded))
    except raw_json.UNREADABLE:
        pass
    # An object or a list is also kept if it is not strict JSON. Other text, such as NaN, may be meant as text.
    if (structure := lenient_json.structure(encoded)) is not None:
        return lenient_json.readable(structure).encode()
    try:  # the json module also accepts the escape of a single surrogate
        is_string = isinstance(json.loads(text), str)
    except (ValueError, RecursionError):
        return None
    return encoded.strip() if is_string else None


def _text(raw: msgspec.Raw) -> str:
    """The value of a JSON string, or the text of any other JSON."""
    if (text := raw_json.text(raw)) is not None:
        return text
    literal = _decoded(bytes(raw))
    return str(json.loads(literal, strict=False)) if literal[:1] == '"' else literal


# Bytes that are not UTF-8 become surrogates (`\udcXX`), and any layer may have escapes of halves of surrogate pairs.
# Both end as the JSON escapes of these surrogates, whatever the layer.


def _decoded(literal: bytes) -> str:
    return literal.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    """`text` in UTF-8, with surrogates as escapes. Empty if such an escape would change what the text says."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return b"" if _ESCAPED_SURROGATE.search(text) else text.encode("utf-8", "backslashreplace")


def _escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
