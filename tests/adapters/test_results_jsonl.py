"""Results as JSON Lines: outputs are JSON values to the letter, numbers keep their digits, and every line is JSON."""

import json
import math
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.adapters.exported import AT, exported, parquet_input, written
from tests.support.examples import examples

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def lines(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    assert text == "" or text.endswith("\n")
    return text.split("\n")[:-1]


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows as a strict reader has them."""
    return [msgspec.json.decode(line) for line in lines(path)]


@settings(max_examples=examples(80))
@given(value=JSON, indent=st.sampled_from([None, 2]))
@example(value="\ud800", indent=None)
@example(value={"\udfff": 1}, indent=2)
def test_any_output_is_there_as_a_value(
    tmp_path_factory: pytest.TempPathFactory, value: object, indent: int | None
) -> None:
    text = json.dumps(value, indent=indent)
    path = written(pa.table({"output": [text]}), tmp_path_factory.getbasetemp(), "jsonl", json_columns={"output"})
    (line,) = lines(path)
    assert json.loads(line)["output"] in (value, text)
    if "\\ud" not in text:
        assert json.loads(line)["output"] == value


@pytest.mark.parametrize(
    "text",
    ["1.0", "1.50", "1E400", "123456789012345678901234567890", "-0", "0.1000000000000000055511151231257827",
     '{"a": 1, "a": 2}', '"\\u0041"', "null", '{ "b" : [ ] }'],
)  # fmt: skip
def test_an_output_is_written_to_the_letter(tmp_path: Path, text: str) -> None:
    path = written(pa.table({"output": [text]}), tmp_path, "jsonl", json_columns={"output"})
    assert lines(path) == [f'{{"output":{text}}}']


@pytest.mark.parametrize(
    "text", ["NaN", '{"a":Infinity}', '"\\ud800"', '["\\udc00"]', "{", "", "[" * 5000 + "]" * 5000]
)
def test_what_strict_readers_refuse_is_a_string(tmp_path: Path, text: str) -> None:
    path = written(pa.table({"output": [text, "1"]}), tmp_path, "jsonl", json_columns={"output"})
    assert rows(path) == [{"output": text}, {"output": 1}]
    assert len(duckdb.connect().execute(f"SELECT output FROM read_json('{path}')").fetchall()) == 2


def test_line_ends_between_tokens_are_blanks(tmp_path: Path) -> None:
    path = written(pa.table({"output": ['{\r\n "a": "\\n"\n}']}), tmp_path, "jsonl", json_columns={"output"})
    assert lines(path) == ['{"output":{   "a": "\\n" }}']


def test_values_of_every_type(tmp_path: Path) -> None:
    table = pa.table({
        "long": pa.array([2**63 - 1, None]),
        "real": pa.array([math.nan, -math.inf]),
        "utc": pa.array([AT, None], pa.timestamp("ms", "UTC")),
        "list": pa.array([[1.5, math.inf], None]),
        "struct": pa.array([{"a": None}, None]),
        "bytes": pa.array([b"\xff", None]),
        "text": pa.array(["1", ""]),
    })  # fmt: skip
    assert rows(written(table, tmp_path, "jsonl")) == [
        {"long": 2**63 - 1, "real": "NaN", "utc": "2023-11-14T22:13:20.123Z", "list": [1.5, "Infinity"],
         "struct": {"a": None}, "bytes": "/w==", "text": "1"},
        {"long": None, "real": "-Infinity", "utc": None, "list": None, "struct": None, "bytes": None, "text": ""},
    ]  # fmt: skip


def test_inputs_that_were_sent_as_json_are_json(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"id":1,"mixed":[1.0]}\n{"id":2,"mixed":"7"}\n{"id":3}\n')
    outputs, errors = exported(tmp_path / "in.jsonl", ['{"n":1.0}', '"x"', None], "jsonl")
    first, second = lines(outputs)
    assert '"mixed":[1.0],' in first
    assert '"output":{"n":1.0},' in first
    assert '"mixed":"7",' in second
    assert rows(errors)[0]["mixed"] is None
    assert "output" not in rows(errors)[0]


def test_text_columns_stay_texts_unless_they_were_sent_as_something_else(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a,b,c\n007,12345678901234567890,1\n8,x,2\n")
    outputs, errors = exported(tmp_path / "in.csv", ["{}", None], "jsonl", kinds={"b": "int", "c": "str"})
    assert '"a":"007","b":12345678901234567890,"c":"1",' in lines(outputs)[0]
    assert rows(errors)[0]["b"] == "x"


def test_other_programs_read_it(tmp_path: Path) -> None:
    source = parquet_input(tmp_path, pa.table({"id": [2**60 + 1, 5]}))
    path, _ = exported(source, ['{"guess":"名","n":1}', '{"guess":"b","n":2}'], "jsonl")
    assert pd.read_json(path, lines=True, dtype=False)["output"].tolist()[0] == {"guess": "名", "n": 1}
    assert pl.read_ndjson(path).unnest("output")["guess"].to_list() == ["名", "b"]
    found = duckdb.connect().execute(f"SELECT id, output.guess, submitted_at FROM read_json('{path}')").fetchall()
    assert found[0][:2] == (2**60 + 1, "名")
