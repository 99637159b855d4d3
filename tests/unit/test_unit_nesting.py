"""To which depth JSON is decoded, which does not depend on the version of Python."""

import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.dialects import raw_json
from batchrun.domain.agreement import agrees
from batchrun.domain.echoes import json_value
from batchrun.domain.lenient_json import split
from batchrun.nesting import MAX_COMPARED, MAX_LEVELS, bounded, is_too_deep
from batchrun.outputs.json_values import decode_or_none, is_json
from batchrun.scoring.kinds import COMPARISONS

TEXTS = st.text(alphabet='[]{}"\\a\u00e9\U0001f600')
"""Strings that look like structure, and their escapes."""

VALUES = st.recursive(
    TEXTS | st.integers(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


def lists(levels: int, leaf: str = "1") -> str:
    return "[" * levels + leaf + "]" * levels


def objects(levels: int, leaf: str = "1") -> str:
    return '{"]k":' * levels + leaf + "}" * levels


def levels_of(value: object) -> int:
    match value:
        case dict():
            return 1 + max(map(levels_of, value.values()), default=0)
        case list():
            return 1 + max(map(levels_of, value), default=0)
        case _:
            return 0


@given(VALUES, st.booleans(), st.sampled_from([None, 1]), st.data())
def test_the_levels_of_any_value(value: object, in_ascii: bool, indent: int | None, data: st.DataObject) -> None:
    outer = data.draw(st.integers(MAX_LEVELS - levels_of(value) - 1, MAX_LEVELS - levels_of(value) + 1))
    text = json.dumps(value, ensure_ascii=in_ascii, indent=indent)
    for nested in (lists(outer, text), objects(outer, text)):
        assert is_too_deep(nested) == is_too_deep(nested.encode()) == (outer + levels_of(value) > MAX_LEVELS)


@given(st.binary() | st.text(alphabet='[]{}"\\').map(str.encode))
def test_text_that_is_no_json(text: bytes) -> None:
    assert not is_too_deep(text)
    assert is_too_deep(b"[" * (MAX_LEVELS + 1) + text)


def test_many_values_beside_each_other_are_not_deep() -> None:
    assert not is_too_deep("[" + ",".join(['{"a":[1]}'] * 1000) + "]")
    assert not is_too_deep(json.dumps("[" * 1000))
    assert not is_too_deep(json.dumps([json.dumps(["["] * 1000)] * 3))


@pytest.mark.parametrize("nested", [lists, objects])
def test_a_decoder_with_bounds(nested: Callable[[int], str]) -> None:
    decode = bounded(msgspec.json.Decoder().decode)
    value, levels = decode(nested(MAX_LEVELS)), 0
    while isinstance(value, dict | list):
        (value,) = value.values() if isinstance(value, dict) else value
        levels += 1
    assert levels == MAX_LEVELS
    for text in (nested(MAX_LEVELS + 1), nested(MAX_LEVELS + 1).encode(), nested(MAX_LEVELS + 1)[:-1]):
        with pytest.raises(RecursionError, match="nested more deeply than"):
            decode(text)


@pytest.mark.parametrize("nested", [lists, objects])
def test_what_is_done_with_a_value_at_the_limits_and_beyond(nested: Callable[..., str]) -> None:
    compare = COMPARISONS["json"](0.0)
    for levels in (MAX_COMPARED, MAX_COMPARED + 1, MAX_LEVELS, MAX_LEVELS + 1):
        text, is_read, is_compared = nested(levels), levels <= MAX_LEVELS, levels <= MAX_COMPARED
        assert is_json(text) == is_read
        assert (decode_or_none(text) is not None) == is_read
        assert compare(text, nested(levels, "1.0")) == float(is_compared), "beyond, they are compared as text"
        assert isinstance(json_value(text.encode()), str) != is_compared
        assert raw_json.output_text(text.encode()) == (text, not is_read)
        sent = msgspec.Raw(nested(levels, '"a b"').encode())
        assert agrees(sent, nested(levels, '"a  b"')), "white space may differ at any depth"
        assert not agrees(sent, nested(levels, '"a c"'))


def test_beyond_the_limit_only_brackets_are_checked() -> None:
    shallow, deep = (f'{{"a": x, "b": {lists(levels)}}}'.encode() for levels in (MAX_LEVELS - 1, MAX_LEVELS))
    assert split(shallow) is None
    assert split(deep) is None, "a scalar is checked all the same"
    shallow, deep = (f'{{"a": [x], "b": {lists(levels)}}}'.encode() for levels in (MAX_LEVELS - 1, MAX_LEVELS))
    assert split(shallow) is None
    assert split(deep) == [("a", b"[x]"), ("b", lists(MAX_LEVELS).encode())]
