"""Columns are mapped to inputs."""

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.column_mapping import ColumnMapping, map_columns, not_json
from batchrun.errors import InputError

COLUMNS = ("id", "text", "n")


def problems(
    params: dict[str, str] | None = None,
    skip: tuple[str, ...] = (),
    constants: dict[str, object] | None = None,
    key: str | None = None,
    **options: Any,
) -> list[str]:
    with pytest.raises(InputError) as caught:
        map_columns(COLUMNS, params or {}, skip, constants or {}, key, **options)
    return list(caught.value.problems)


def test_without_options_every_column_is_sent_under_its_own_name() -> None:
    mapping = map_columns(COLUMNS, {}, (), {}, None)
    assert mapping.columns == COLUMNS
    assert mapping.inputs(["1", "a", None]) == {"id": "1", "text": "a", "n": None}


def test_a_key_is_sent_like_any_other_column() -> None:
    assert map_columns(COLUMNS, {}, (), {}, "id").columns == COLUMNS


def test_with_a_param_only_the_named_ones_are_sent_one_column_perhaps_twice() -> None:
    mapping = map_columns(COLUMNS, {"q": "text", "again": "text"}, (), {}, None)
    assert mapping.columns == ("text", "text")
    assert mapping.inputs(["a", "a"]) == {"q": "a", "again": "a"}


def test_a_renamed_column_is_sent_under_other_names_and_the_others_as_they_are() -> None:
    mapping = map_columns(COLUMNS, {}, ("n",), {}, None, renames={"q": "text", "again": "text"})
    assert mapping.inputs(["1", "a", "a"]) == {"id": "1", "q": "a", "again": "a"}
    assert map_columns(COLUMNS, {}, (), {}, None, renames={"text": "n", "n": "text"}).sent == {
        "id": "id",
        "n": "text",
        "text": "n",
    }


def test_two_columns_cannot_be_sent_under_one_name() -> None:
    (taken,) = problems(renames={"text": "n"})
    assert taken.startswith("--rename text=n: the workflow input 'text' is also sent from the column of that name")
    assert map_columns(COLUMNS, {}, ("text",), {}, None, renames={"text": "n"}).sent == {"id": "id", "text": "n"}
    (unknown,) = problems(renames={"q": "txt"})
    assert unknown.startswith("--rename q=txt: the input has no column 'txt'.")
    (reversed_one,) = problems(renames={"text": "q"})
    assert reversed_one.endswith("; the column comes last: --rename q=text")
    (constant,) = problems(constants={"q": 1}, renames={"q": "text"})
    assert constant.startswith("--const q: the input is also sent from the column 'text'")
    (varied,) = problems(renames={"q": "text"}, varied=("q",))
    assert "give the input 'q', and the column 'text' of the input gives it too" in varied


def test_a_skipped_column_is_not_sent() -> None:
    assert map_columns(COLUMNS, {}, ("id", "n"), {}, None).columns == ("text",)


def test_constants_are_the_same_for_every_row() -> None:
    mapping = map_columns(COLUMNS, {"q": "text"}, (), {"lang": "en", "deep": {"a": [1]}}, None)
    assert mapping.inputs(["a"]) == {"q": "a", "lang": "en", "deep": {"a": [1]}}
    assert mapping.inputs(["b"]) == {"q": "b", "lang": "en", "deep": {"a": [1]}}


def test_a_column_that_is_skipped_may_be_replaced_by_a_constant() -> None:
    assert map_columns(COLUMNS, {}, ("n",), {"n": 1}, None).inputs(["1", "a"]) == {"id": "1", "text": "a", "n": 1}


def test_all_mistakes_are_reported_at_once_with_the_columns_that_exist() -> None:
    found = problems({"q": "txt"}, ("nothing",), {"q": 1}, "ID")
    assert len(found) == 4
    assert found[0].startswith("--param q=txt: ")
    assert found[1].startswith("--skip nothing: ")
    assert found[2].startswith("--key ID: ")
    assert found[3].startswith("--const q: ")
    for line, column in zip(found[:3], ("txt", "nothing", "ID"), strict=True):
        assert repr(column) in line
        assert "id, text, n" in line


def test_a_column_cannot_be_both_skipped_and_sent() -> None:
    assert problems({"q": "text"}, ("text",)) == ["--skip text: the column is also sent by --param"]


def test_a_constant_cannot_have_the_name_of_a_column_that_is_sent() -> None:
    (line,) = problems(constants={"text": 1})
    assert line.startswith("--const text: ")
    assert "--skip" in line


BAD = st.sampled_from([math.nan, math.inf, -math.inf])
GOOD = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.floats(allow_nan=False, allow_infinity=False)
)
TREES = st.recursive(
    GOOD, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)


@given(TREES)
def test_values_that_json_can_represent_are_unchanged(value: object) -> None:
    assert not_json(value) is None
    assert ColumnMapping({"x": "c"}).inputs([value]) == {"x": value}


@given(BAD, st.lists(st.sampled_from(["list", "dict", "tuple"]), max_size=6), TREES)
def test_a_number_that_json_cannot_represent_is_found_at_any_depth(
    bad: float, wraps: list[str], beside: object
) -> None:
    value: object = bad
    for wrap in wraps:
        value = {"list": [beside, value], "tuple": (beside, value), "dict": {"a": beside, "b": value}}[wrap]
    with pytest.raises(ValueError, match=r"input 'x' \(column 'c'\) holds (nan|inf|-inf), which JSON cannot carry"):
        ColumnMapping({"x": "c"}).inputs([value])


def test_a_wrong_number_of_values_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        ColumnMapping({"x": "c"}).inputs([1, 2])


def test_names_that_cannot_be_told_apart_otherwise_are_quoted() -> None:
    with pytest.raises(InputError, match=re.escape("Its columns: id, ' text', 'a,b'")):
        map_columns(["id", " text", "a,b"], {"x": "text"}, [], {}, None)
