"""`--type`: text columns that are sent as other types."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.domain.cell_types import read_bool, read_float, read_int
from batchrun.domain.cells import BadCell
from batchrun.domain.states import State
from batchrun.errors import InputError
from tests.adapters.sent import inputs, opened, results, texts
from tests.support.examples import examples


def csv_of(folder: Path, content: str) -> Path:
    path = folder / "in.csv"
    path.write_text(content)
    return path


def test_cells_become_what_the_type_says_and_empty_ones_null(tmp_path: Path) -> None:
    path = csv_of(
        tmp_path,
        'i,f,b,j,s,plain\n007,1e3,yes,"{""a"": 1.10}",x,007\n12345678901234567890123,-.5,FALSE,null,,\n,,,,,\n',
    )
    table = opened(path, kinds={"i": "int", "f": "float", "b": "bool", "j": "json", "s": "str"})
    assert texts(table) == [
        '{"i":7,"f":1000.0,"b":true,"j":{"a": 1.10},"s":"x","plain":"007"}',
        '{"i":12345678901234567890123,"f":-0.5,"b":false,"j":null,"s":null,"plain":""}',
        '{"i":null,"f":null,"b":null,"j":null,"s":null,"plain":""}',
    ]
    _, found = results(table, tmp_path)
    assert [str(found.schema.field(name).type) for name in table.columns] == [
        "string", "double", "bool", "string", "string", "string",
    ]  # fmt: skip
    assert found["i"].to_pylist() == ["7", "12345678901234567890123", None]


def test_integers_that_fit_are_integers_in_the_results(tmp_path: Path) -> None:
    _, found = results(opened(csv_of(tmp_path, "i\n1\n\n-2\n"), kinds={"i": "int"}), tmp_path)
    assert found["i"].to_pylist() == [1, -2]
    assert found.schema.field("i").type == pa.int64()


@pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED])
def test_a_cell_of_another_type_is_the_rows_fault_and_stays_as_written(tmp_path: Path, state: State) -> None:
    table = opened(csv_of(tmp_path, "i,j\n1,x\n1.5,[1]\n,2\n"), kinds={"i": "int", "j": "json"})
    first, second, third = texts(table)
    assert first == "cannot be sent: input 'j': 'x' is not JSON"
    assert second == "cannot be sent: input 'i': '1.5' is not a whole number"
    assert third == '{"i":null,"j":2}'
    path, found = results(table, tmp_path, state)
    assert found["i"].to_pylist() == ["1", "1.5", ""]
    assert texts(opened(path)) == [first, second, third]


def test_columns_of_text_in_parquet_may_be_typed_and_others_not(tmp_path: Path) -> None:
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"t": pa.array(["1", None, ""]).dictionary_encode(), "n": [1, 2, 3]}), path)
    assert inputs(opened(path, kinds={"t": "int"})) == [{"t": 1, "n": 1}, {"t": None, "n": 2}, {"t": None, "n": 3}]
    with pytest.raises(InputError) as caught:
        opened(path, kinds={"n": "int", "no": "int"})
    assert ["int64" in caught.value.problems[0], "no column 'no'" in caught.value.problems[1]] == [True, True]


@given(st.integers())
def test_every_integer_is_read(value: int) -> None:
    assert read_int(str(value)) == read_int(f" {value} ") == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_number_is_read(value: float) -> None:
    assert read_float(repr(value)) == value


@given(st.text(max_size=8))
def test_whatever_is_written_is_read_or_reported(text: str) -> None:
    for read in (read_int, read_float, read_bool):
        found = read(text)
        assert not isinstance(found, BadCell) or repr(text) in str(found)


@pytest.mark.parametrize("text", ["", "1_000", "0x10", "1.0", "1e3", "٣", "one", "9" * 5000])
def test_what_is_no_whole_number(text: str) -> None:
    assert isinstance(read_int(text), BadCell)


@pytest.mark.parametrize("text", ["", "nan", "inf", "1e999", "1_0", "1,5", "0x1p3"])
def test_what_is_no_finite_number(text: str) -> None:
    assert isinstance(read_float(text), BadCell)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["id", "row", "key", "output", "input.row", "é", "a b", "status"])


@settings(max_examples=examples(100))
@given(st.lists(st.dictionaries(NAMES, JSON, max_size=4), max_size=8), st.sampled_from([State.COMPLETED, State.FAILED]))
def test_whatever_goes_in_as_jsonl_comes_out_as_it_was_sent(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], state: State
) -> None:
    folder = tmp_path_factory.mktemp("jsonl")
    path = folder / "in.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=len(rows) % 2 == 0) + "\n" for row in rows), "utf-8")
    table = opened(path)
    assert inputs(table) == rows
    again, _ = results(table, folder, state)
    assert inputs(opened(again)) == rows


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6) | st.sampled_from(
    [
        "1",
        "-7",
        "12345678901234567890123",
        "1.5",
        "true",
        "null",
        '{"a":1}',
        '"x"',
        "[]",
        "1e400",
        "0.1234567890123456789",
    ]
)


@settings(max_examples=examples(100))
@given(
    st.lists(st.tuples(CELLS, CELLS), max_size=8),
    st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["str", "int", "float", "bool", "json"])),
    st.sampled_from([State.COMPLETED, State.FAILED]),
)
def test_whatever_goes_in_as_csv_under_types_comes_out_as_it_was_sent(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], kinds: dict[str, str], state: State
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    path = folder / "in.csv"
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    path.write_bytes("\n".join(["a,b", *quoted]).encode())
    table = opened(path, kinds=kinds)
    assert len(texts(table)) == len(rows)
    again, _ = results(table, folder, state)
    assert inputs(opened(again)) == inputs(table)


def test_a_decimal_comma_is_told_apart_from_what_is_no_number() -> None:
    assert str(read_float("0,5")) == "'0,5' is not a number with a decimal point"
    assert str(read_float("half")) == "'half' is not a finite number"
