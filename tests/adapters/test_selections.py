"""`--select` and `--flatten`: each column has one type that holds all its values, and no output raises an error."""

import json
import logging

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.adapters.results.selections import MAX_FLATTEN_KEYS
from batchrun.adapters.results.writer import names_in_use
from tests.adapters.selected_columns import assert_survived, decoded, output, taken_out

TEXT, WHOLE, REAL, TRUTH = pa.string(), pa.int64(), pa.float64(), pa.bool_()

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
KEYS = st.sampled_from(["a", "b", "row", "id", "output", "output.row", "output.a", "status", ""]) | st.text(max_size=3)
OUTPUT = st.none() | (st.dictionaries(KEYS, JSON, max_size=5) | JSON).map(json.dumps) | st.text(max_size=5)
"""Outputs that the checkpoint may hold: objects, other JSON, text that is not JSON, none."""


# -- properties


@settings(deadline=None)
@given(st.lists(OUTPUT, max_size=6))
def test_whatever_the_outputs_hold_flattening_keeps_every_value(outputs: list[str | None]) -> None:
    documents = [document if isinstance(document := decoded(text), dict) else {} for text in outputs]
    keys = list(dict.fromkeys(key for document in documents for key in document))
    table = taken_out(outputs, flatten=True)
    assert table.num_columns == len(keys)
    for key, name in zip(keys, table.column_names, strict=True):
        assert name.endswith(key)
        assert_survived(table[name], [document.get(key) for document in documents])
    assert len({*table.column_names, *names_in_use(["id"], None)}) == len(keys) + len(names_in_use(["id"], None))


@settings(deadline=None)
@given(st.lists(OUTPUT, max_size=6))
def test_selecting_all_of_it_or_a_key_of_it_keeps_every_value(outputs: list[str | None]) -> None:
    documents = list(map(decoded, outputs))
    table = taken_out(outputs, {"all": "@", "a": "a"})
    assert_survived(table["all"], documents)
    assert_survived(table["a"], [document.get("a") if isinstance(document, dict) else None for document in documents])


@settings(deadline=None)
@given(
    st.lists(OUTPUT, max_size=4),
    st.lists(
        st.sampled_from([
            "length(@)", "keys(@)", "a.b[0]", "[*].a", "[::0]", "sort(@)", "sum(@)", "avg(values(@))", "max(a)", "&a",
            "[&a]", "to_number(@)", "to_string(@)", "abs(a)", "ceil(a)", "merge(@, b)", "a < b", "sort_by(@, &a)",
            "join('', @)", "{x: a, y: b}", "map(&length(@), @)", "[?a > `1`]", "not_null(a, b)", "`\"\\ud800\"`",
            "to_number('inf')", "[to_number('nan')]", "contains(@, 'a')", "reverse(@)", "a || b",
            "[9999999999999999999]",
        ]), max_size=5, unique=True,
    ),
)  # fmt: skip
def test_no_expression_fails_on_any_output(outputs: list[str | None], expressions: list[str]) -> None:
    table = taken_out(outputs, {f"n{number}": text for number, text in enumerate(expressions)}, flatten=True)
    assert table.num_rows == len(outputs) or table.num_columns == 0


# -- types


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        (["a", None, ""], TEXT, ["a", None, ""]),
        ([1, -(2**63), None], WHOLE, [1, -(2**63), None]),
        ([1, 0.5], REAL, [1.0, 0.5]),
        ([True, None], TRUTH, [True, None]),
        ([None, None], TEXT, [None, None]),
        ([7, "7", True], TEXT, ["7", '"7"', "true"]),
        ([2**80, 1], TEXT, [str(2**80), "1"]),
        ([2**53 + 1, 0.5], TEXT, [str(2**53 + 1), "0.5"]),
        ([{"b": [1, None], "a": "名"}, []], TEXT, ['{"b":[1,null],"a":"名"}', "[]"]),
    ],
    ids=str,
)
def test_one_type_for_each_column(values: list[object], kind: pa.DataType, read: list[object]) -> None:
    outputs = [output({"x": value}) for value in values]
    for table in (taken_out(outputs, {"x": "x"}), taken_out(outputs, flatten=True)):
        assert table["x"].type == kind
        assert table["x"].to_pylist() == read


def test_numbers_beyond_all_others_and_halves_of_pairs_stay_as_they_are_written() -> None:
    digits = "9" * 5000
    outputs = [f'{{"n": 1e999, "long": {digits}, "half": "\\ud83d", "k\\ud83d": [-1.50E-999, 1.5]}}', '{"n": 1.5}']
    table = taken_out(outputs, {"both": "[n, long]"}, flatten=True)
    assert table.column_names == ["both", "n", "long", "half", "k\\ud83d"]
    assert table.slice(0, 1).to_pylist() == [
        {
            "both": f"[1e999,{digits}]",
            "n": "1e999",
            "long": digits,
            "half": '"\\ud83d"',
            "k\\ud83d": "[-0.0,1.5]",
        }
    ]
    assert table["n"].to_pylist()[1] == "1.5"


def test_what_is_no_json_is_null_and_harms_no_other_row() -> None:
    outputs = ["no json", '{"a": NaN}', '{"a": 1', "[" * 100_000, "", None, '{"a": 1}', "[1]", '"text"', "null"]
    table = taken_out(outputs, {"n": "a"}, flatten=True)
    assert table.column_names == ["n", "a"]
    for column in table.columns:
        assert column.to_pylist() == [None] * 6 + [1, None, None, None]


def test_what_an_expression_cannot_compute_is_null() -> None:
    outputs = [output({"a": a}) for a in ("1.5", "inf", "nan", "x", [10**400, 1], [2, 4])]
    table = taken_out(outputs, {"number": "to_number(a)", "mean": "avg(a)", "first": "a[9999999999999999999]"})
    assert table.schema.types == [REAL, REAL, TEXT]
    assert table["number"].to_pylist() == [1.5, None, None, None, None, None]
    assert table["mean"].to_pylist() == [None, None, None, None, None, 3.0]


# -- names


def test_keys_come_in_the_order_in_which_they_first_appear_after_the_selections() -> None:
    outputs = [output({"b": 1}), output({"a": 1, "b": 2}), output([3]), output({"c": 1, "a": 2})]
    assert taken_out(outputs, {"z": "a", "y": "b"}, flatten=True).column_names == ["z", "y", "b", "a", "c"]


def test_a_key_whose_name_is_taken_gets_a_prefix_and_another_while_that_is_taken() -> None:
    keys = ["id", "status", "sel", "state", "", "output.id", "output.", "free"]
    table = taken_out([output(dict.fromkeys(keys, 1))], {"sel": "id"}, flatten=True)
    assert table.column_names == [
        "sel", "output.id", "output.status", "output.sel", "output.state", "output.", "output.output.id",
        "output.output.", "free",
    ]  # fmt: skip


@pytest.mark.parametrize("more", [0, 1, 500])
def test_keys_that_are_data_do_not_make_columns_without_end(caplog: pytest.LogCaptureFixture, more: int) -> None:
    outputs = [output({f"key{number}": number}) for number in range(MAX_FLATTEN_KEYS + more)] * 2
    logging.getLogger("batchrun").addHandler(caplog.handler)
    try:
        table = taken_out(outputs, {"first": "key0", "last": f"key{MAX_FLATTEN_KEYS + more - 1}"}, flatten=True)
    finally:
        logging.getLogger("batchrun").removeHandler(caplog.handler)
    assert table.num_columns == MAX_FLATTEN_KEYS + 2
    assert table["last"].to_pylist()[-1] == MAX_FLATTEN_KEYS + more - 1
    assert table[f"key{MAX_FLATTEN_KEYS - 1}"].to_pylist()[-1 - more] == MAX_FLATTEN_KEYS - 1
    assert len({record.message for record in caplog.records}) == (1 if more else 0)
