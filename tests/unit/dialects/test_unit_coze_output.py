"""The layers around an output are removed, and nothing else is."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.dialects.coze_output import workflow_output

TEXT = '{"content_type":1,"data":"a \\"b\\"\\u00e9","original_result":null,"type_for_model":2}'


def unwrapped(output: Any, *, by_node: bool = True) -> str | None:
    """The output inside the JSON of `output`."""
    return workflow_output(msgspec.Raw(json.dumps(output).encode()), by_node=by_node)


def nodes(end: str, **others: str) -> str:
    return json.dumps({"Output": end} | others)


@pytest.mark.parametrize(
    ("output", "found"),
    [
        (nodes('{"a": 1.10}'), '{"a": 1.10}'),
        (nodes('{"a":1}', node_status="{}", Other="x"), '{"a":1}'),
        (nodes(TEXT), '"a \\"b\\"\\u00e9"'),
        (nodes("plain"), '"plain"'),
        (nodes(" [1] "), "[1]"),
        (nodes("42"), "42"),
        (nodes("NaN"), '"NaN"'),
        (nodes(""), '""'),
        (nodes("", node_status="{}"), '""'),
        # The End node has no output, but another node has.
        (nodes("", node_status="{}", Other="x"), nodes("", node_status="{}", Other="x")),
        # This is not an object of nodes.
        ('{"a":"b"}', '{"a":"b"}'),
        ('{"Output":{"a":1}}', '{"Output":{"a":1}}'),
        ('["Output"]', '["Output"]'),
        ("plain", '"plain"'),
        ('{"Output":"a"', '"{\\"Output\\":\\"a\\""'),
        ("", '""'),
    ],
)
def test_the_output_of_the_end_node(output: str, found: str) -> None:
    assert unwrapped(output) == found


def test_without_an_object_of_nodes_output_is_a_variable() -> None:
    assert unwrapped(nodes("a"), by_node=False) == nodes("a")
    assert unwrapped(TEXT, by_node=False) == '"a \\"b\\"\\u00e9"'


@pytest.mark.parametrize(
    "envelope",
    [
        '{"content_type":1,"data":{"a":1}}',
        '{"content_type":2,"data":"a"}',
        '{"content_type":1}',
        '{"data":"a","type_for_model":2}',
        '{"data":{"content_type":1}}',
        '{"content_type":1,"data":"a","more":1}',
    ],
)
def test_what_only_resembles_a_text_envelope_is_unchanged(envelope: str) -> None:
    assert unwrapped(nodes(envelope)) == envelope


@pytest.mark.parametrize(("raw", "found"), [(b"", None), (b"null", None), (b'{"a": 1.0}', '{"a": 1.0}'), (b"7", "7")])
def test_an_output_that_is_no_string_is_unchanged(raw: bytes, found: str | None) -> None:
    assert workflow_output(msgspec.Raw(raw), by_node=False) == found
    assert workflow_output(None, by_node=True) is None


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        (b'"a\xff"', '"a\\udcff"'),
        (b'"{\\"a\\":\\"\xff\\"}"', '{"a":"\\udcff"}'),
        (b'{"a":"\xff"}', '{"a":"\\udcff"}'),
        (b'"{\\"Output\\":\\"{\\\\\\"a\\\\\\":\\\\\\"\xff\\\\\\"}\\"}"', '{"a":"\\udcff"}'),
    ],
)
def test_bytes_that_are_not_utf_8_become_escapes(raw: bytes, found: str) -> None:
    assert workflow_output(msgspec.Raw(raw), by_node=True) == found
    json.loads(found)


def test_the_escape_of_a_single_surrogate_is_kept() -> None:
    assert unwrapped(nodes('{"a":"\\ud83d"}')) == '{"a":"\\ud83d"}'
    assert unwrapped('{"a":"\\ud83d"} ') == '{"a":"\\ud83d"}'
    assert unwrapped('{"a":"\\ud83d","b":NaN}') == '{"a":"\\ud83d","b":NaN}'
    assert unwrapped("NaN") == '"NaN"'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, st.booleans(), st.none() | st.integers(0, 3))
def test_any_output_is_unwrapped_unchanged(tree: Any, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(tree, ensure_ascii=ascii_only, indent=indent)
    assert unwrapped(nodes(text, node_status="{}")) == text
    assert unwrapped(text, by_node=False) == text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_that_is_not_json_becomes_a_json_string(text: str) -> None:
    text = f"x{text}"
    found = unwrapped(nodes(text))
    assert found is not None
    assert json.loads(found) == text


@given(st.integers(10**22, 10**40), st.decimals(0, 1, places=8))
def test_numbers_keep_every_digit(big: int, small: object) -> None:
    text = f'{{"n":{big},"m":{small:f}}}'
    assert unwrapped(nodes(text)) == text
