"""Schemas of inputs: which files are valid schemas, and which inputs match them."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.adapters.input_schema import MAX_MESSAGE_CHARACTERS, InputSchema, load_schema
from batchrun.errors import InputError

PLAIN = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "text": {"type": "string", "maxLength": 5}, "tags": {"type": "array",
                   "items": {"type": "string"}}},
    "required": ["id"],
}  # fmt: skip


def file_of(folder: Path, schema: object) -> Path:
    path = folder / "s.json"
    path.write_bytes(schema if isinstance(schema, bytes) else json.dumps(schema).encode())
    return path


def mismatch(folder: Path, schema: object, inputs: object) -> str | None:
    body = inputs if isinstance(inputs, bytes) else json.dumps(inputs).encode()
    return load_schema(file_of(folder, schema)).mismatch(body)


@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"id": 1}, None),
        ({"id": 1, "text": "abcde", "more": None}, None),
        ({"id": "1"}, "input id: '1' is not of type 'integer'"),
        ({"id": 1.5}, "input id: 1.5 is not of type 'integer'"),
        ({"id": None}, "input id: None is not of type 'integer'"),
        ({"text": "x"}, "'id' is a required property"),
        ({"id": 1, "tags": ["a", 2]}, "input tags[1]: 2 is not of type 'string'"),
        ({"id": 1, "text": "abcdef"}, "input text: 'abcdef' is too long"),
    ],
)
def test_invalid_values_are_reported_with_their_location(tmp_path: Path, inputs: object, told: str | None) -> None:
    assert mismatch(tmp_path, PLAIN, inputs) == told


def test_messages_are_short(tmp_path: Path) -> None:
    told = mismatch(tmp_path, PLAIN, {"id": "x" * 10_000 + "\n"})
    assert told is not None
    assert len(told) <= MAX_MESSAGE_CHARACTERS + 2
    assert "\n" not in told


@pytest.mark.parametrize("number", [2**53 + 1, 2**63, 2**64 + 1, 12345678901234567890123])
def test_integers_are_exact_however_long(tmp_path: Path, number: int) -> None:
    schema = load_schema(file_of(tmp_path, {"properties": {"n": {"type": "integer", "maximum": number - 1}}}))
    assert schema.mismatch(b'{"n":%d}' % number) is not None
    assert schema.mismatch(b'{"n":%d}' % (number - 1)) is None


@pytest.mark.parametrize(
    ("draft", "exclusive"),
    [
        ("http://json-schema.org/draft-04/schema#", {"maximum": 10, "exclusiveMaximum": True}),
        ("http://json-schema.org/draft-06/schema#", {"exclusiveMaximum": 10}),
        ("http://json-schema.org/draft-07/schema#", {"exclusiveMaximum": 10}),
        ("https://json-schema.org/draft/2019-09/schema", {"exclusiveMaximum": 10}),
        ("https://json-schema.org/draft/2020-12/schema", {"exclusiveMaximum": 10}),
        (None, {"exclusiveMaximum": 10}),
    ],
)
def test_older_drafts_mean_what_they_meant(tmp_path: Path, draft: str | None, exclusive: dict[str, Any]) -> None:
    schema = {**({"$schema": draft} if draft else {}), "properties": {"n": exclusive}}
    assert mismatch(tmp_path, schema, {"n": 9}) is None
    assert mismatch(tmp_path, schema, {"n": 10}) is not None


def test_references_within_the_file_are_followed(tmp_path: Path) -> None:
    schema = {"$defs": {"id": {"type": "integer"}}, "properties": {"id": {"$ref": "#/$defs/id"}}}
    assert mismatch(tmp_path, schema, {"id": 1}) is None
    assert mismatch(tmp_path, schema, {"id": "1"}) is not None


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "it must be an object"),
        (b"true", "it must be an object"),
        ({"type": "integr"}, "is not a valid JSON Schema: type: 'integr' is not valid"),
        ({"properties": {"a": {"minimum": "1"}}}, "properties.a.minimum: '1' is not of type 'number'"),
        ({"properties": {"a": {"pattern": "("}}}, "properties.a.pattern: '(' is not a 'regex'"),
        ({"properties": []}, "properties"),
        ({"$schema": "https://example.com/mine"}, "is no draft of JSON Schema that is known"),
        ({"$schema": 7}, "is no draft of JSON Schema that is known"),
    ],
)
def test_a_file_that_is_no_schema_is_a_plain_mistake(tmp_path: Path, content: object, told: str) -> None:
    path = file_of(tmp_path, content)
    if told == "is no draft of JSON Schema that is known":
        told = "which is no draft of JSON Schema that is known"
    with pytest.raises(InputError) as caught:
        load_schema(path)
    assert str(caught.value).startswith(f"--schema {path}: ")
    assert told in str(caught.value)
    assert len(caught.value.problems) == 1


def test_a_file_that_is_not_there_is_a_plain_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"--schema .*absent: cannot be read: No such file"):
        load_schema(tmp_path / "absent")


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        (
            {"$ref": "http://127.0.0.1:1/other.json"},
            "refers to 'http://127.0.0.1:1/other.json', which is not in the file",
        ),
        ({"$ref": "#/$defs/absent"}, "which is not in the file"),
        ({"$ref": "#"}, "refers to itself without end"),
    ],
)
def test_a_reference_that_leads_nowhere_is_a_plain_mistake(tmp_path: Path, schema: object, told: str) -> None:
    with pytest.raises(InputError) as caught:
        mismatch(tmp_path, schema, {"id": 1})
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("more", "unknown", "wrong"),
    [
        ({}, ["more"], []),
        ({"additionalProperties": False}, ["more"], ["'more' is sent, and the schema allows no such name"]),
        ({"patternProperties": {"^mo": {}}, "additionalProperties": False}, [], []),
        ({"required": ["id", "absent"]}, ["more"], ["'absent' is required"]),
    ],
)
def test_names_are_compared_before_any_value(
    tmp_path: Path, more: dict[str, Any], unknown: list[str], wrong: list[str]
) -> None:
    schema = load_schema(file_of(tmp_path, PLAIN | more))
    names = ["id", "text", "more"]
    assert schema.unknown_names(names) == unknown
    told = list(schema.wrong_names(names))
    assert len(told) == len(wrong)
    assert all(part in line for part, line in zip(wrong, told, strict=True))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> InputSchema:
    schema = {"type": "object", "properties": {"id": {"type": "integer"}}, "required": ["id"]}
    return load_schema(file_of(tmp_path_factory.mktemp("schema"), schema))


@given(inputs=st.dictionaries(st.sampled_from(["id", "text", "tags", "x"]), JSON, max_size=4))
def test_the_types_are_those_of_json(plain: InputSchema, inputs: dict[str, Any]) -> None:
    fits = plain.mismatch(msgspec.json.encode(inputs)) is None
    number = inputs.get("id")
    assert fits == (isinstance(number, int | float) and not isinstance(number, bool) and number == int(number))
