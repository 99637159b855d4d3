"""The second reading of answers that are not strict JSON."""

import json
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.dialects import raw_json
from batchrun.domain.lenient_json import MAX_BRACKETS, MAX_DEPTH, elements, readable, split, structure

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES), st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_the_members_of_any_object_are_those_of_python(document: object, ascii_only: bool, indent: int | None) -> None:
    """Python's own JSON has NaN, Infinity and halves of surrogate pairs."""
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent)
    pairs = split(b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass"))
    assert pairs is not None
    assert repr({key: json.loads(value) for key, value in pairs}) == repr(json.loads(text))


@given(st.binary() | st.text().map(str.encode) | VALUES.map(json.dumps).map(str.encode))
def test_nothing_raises(body: bytes) -> None:
    split(body)
    readable(body).encode()
    raw_json.members(body)
    raw_json.output_text(body)
    raw_json.message(msgspec.Raw(body))


@given(st.dictionaries(st.text(), VALUES, min_size=1), st.data())
def test_text_that_breaks_off_is_not_read(document: object, data: st.DataObject) -> None:
    text = json.dumps(document).encode()
    assert split(text[: data.draw(st.integers(0, len(text) - 1))]) is None


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (b'"\xff\xfe"', '"\\udcff\\udcfe"'),
        (b'"a\nb\x00"', '"a\\u000ab\\u0000"'),
        (b'"\\ud83d"', '"\\ud83d"'),
        (b"NaN", "NaN"),
        (b"[-Infinity, 1]", "[-Infinity, 1]"),
        (b'{\n "a": "\\"\n"}', '{\n "a": "\\"\\u000a"}'),
        (b"[" * 1000 + b"]" * 1000, "[" * 1000 + "]" * 1000),
        (b"[" * 100_000 + b'"]"' + b"]" * 100_000, "[" * 100_000 + '"]"' + "]" * 100_000),
        (b"1" * 5000, "1" * 5000),
    ],
)
def test_what_is_kept(value: bytes, read: str) -> None:
    assert split(b'{"x": 1, "output": ' + value + b" }") == [("x", b"1"), ("output", value)]
    assert readable(value) == read


@pytest.mark.parametrize(
    "body",
    [
        b"", b"  ", b"[1]", b'"a"', b"NaN", b"<html>", b'{"a"}', b'{"a":}', b'{,}', b'{"a":1,,}', b'{,"a":1}',
        b'{"a":1 "b":2}',
        b'{"a":1}{"b":2}', b'{"a":1} x', b'{"a":[1 2]}', b'{"a":hello}', b'{"a":' + b"[" * 5000 + b"}", b'{1:2}',
        b'{"a":' + b"[" * 2000 + b"]" * 1999 + b"}", b"{'a': 1}",
    ],
)  # fmt: skip
def test_what_is_not_read(body: bytes) -> None:
    assert split(body) is None


@pytest.mark.parametrize(
    "body",
    [
        b'\xef\xbb\xbf\xef\xbb\xbf{"a": [1], "b": "\xc3\xa9,]"}',
        b'{"a": [1], "b": "\xc3\xa9,]"}\0\0',
        b'{"a": [1], "b": "\xc3\xa9,]" , }',
        b'{"a": [1,\n], "b": "\xc3\xa9,]",}',
        '{"a": [1], "b": "é,]"}'.encode("utf-16"),
        b"\xfe\xff" + '{"a": [1], "b": "é,]"}'.encode("utf-16-be"),
        '{"a": [1], "b": "é,]"}'.encode("utf-32"),
    ],
)
def test_marks_other_encodings_and_what_stands_after_the_last_value(body: bytes) -> None:
    pairs = split(body)
    assert pairs is not None
    assert [(name, value.replace(b"\n", b"")) for name, value in pairs] == [("a", b"[1]"), ("b", '"é,]"'.encode())]
    whole = structure(body)
    assert whole is not None
    assert json.loads(whole) == {"a": [1], "b": "é,]"}


@given(VALUES)
def test_a_structure_is_all_of_a_list_or_an_object(document: object) -> None:
    text = json.dumps(document)
    assert structure(f" {text}\n".encode()) == (text.encode() if isinstance(document, list | dict) else None)
    assert structure(f"{text} {text}".encode()) is None


@pytest.mark.parametrize(
    "value",
    [
        b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1),
        b"[" + b",".join([b"[" * 1500 + b"]" * 1500] * (MAX_BRACKETS // 3000 + 1)) + b"]",
    ],
)
def test_nesting_is_bounded(value: bytes) -> None:
    assert split(b'{"output":' + value + b"}") is None
    assert structure(value) is None


@given(st.lists(VALUES))
def test_the_elements_of_any_list_are_those_of_python(document: object) -> None:
    found = elements(json.dumps(document).encode())
    assert found is not None
    assert repr([json.loads(value) for value in found]) == repr(json.loads(json.dumps(document)))


@pytest.mark.parametrize("body", [b"", b"{}", b"[,]", b"[1,,]", b"[1,],", b"[,1]", b"[1 2]", b"[1", b"[[1]", b"[1]x"])
def test_lists_that_are_not_read(body: bytes) -> None:
    assert elements(body) is None


def test_a_long_string_takes_no_memory_for_each_of_its_characters() -> None:
    body = b'"' + b"a" * 3_000_000 + b'\\n\xff"'
    tracemalloc.start()
    try:
        assert readable(body).endswith('\\n\\udcff"')
        assert tracemalloc.get_traced_memory()[1] < 12 * len(body)
    finally:
        tracemalloc.stop()
