"""The two Parquet files as pandas, polars and DuckDB read them: the same rows, values and types."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchrun.adapters.results.selections import compile_selections
from batchrun.adapters.results.writer import names_in_use, write_results
from batchrun.adapters.tables import Source, Table, open_table
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.row import Row
from batchrun.domain.states import State
from tests.support.result_rows import result_row

DONE, WRONG = 3, 2
LONG = Decimal("12345678901234567890123")
AT = 1_700_000_000_123
OUTPUTS = [
    {
        "guess": "Adelie",
        "sure": 0.5,
        "n": 1,
        "ok": True,
        "mixed": 7,
        "parts": [1, {"a": None}],
        "status": "x",
        "big": 2**80,
    },
    {"guess": "名", "sure": 1, "n": -(2**63), "ok": False, "mixed": "7", "parts": {}, "nothing": None},
    {},
]
SELECT = {"first_part": "parts[0]", "letters": "length(guess)"}


def inputs() -> pa.Table:
    """A table with every type of column that an input may have."""
    return pa.table({
        "id": [f"r{n}" for n in range(5)],
        "status": ["input's own"] * 5,
        "small": pa.array([1, None, 3, 4, 5], pa.int16()),
        "long": pa.array([LONG, None, Decimal(1), Decimal(2), Decimal(3)], pa.decimal128(23)),
        "price": pa.array([Decimal("1.50"), None, Decimal("0.01"), Decimal(2), Decimal(3)], pa.decimal128(9, 2)),
        "when": pa.array([AT * 1000, None, 0, 1, 2], pa.timestamp("us", "Asia/Shanghai")),
        "local": pa.array([AT, None, 0, 1, 2], pa.timestamp("ms")),
        "day": pa.array([date(2024, 2, 29), None, *[date(1970, 1, 1)] * 3]),
        "cat": pa.array(["a", None, "b", "a", "a"]).dictionary_encode(),
        "struct": pa.array([{"a": [1], "b": "x"}, None, {"a": None, "b": None}, {"a": [], "b": ""}, {"a": [2]}]),
        "list": pa.array([[1, 2], None, [], [None], [3]]),
        "map": pa.array([[("k", 1)], None, [], [("z", None)], []], pa.map_(pa.string(), pa.int64())),
        "binary": pa.array([b"\xff", None, b"", b"z", b"z"]),
        "flag": pa.array([True, None, False, True, False]),
        "real": pa.array([0.5, None, 1.5, 2.5, 3.5], pa.float32()),
        "none": pa.nulls(5),
    })  # fmt: skip


def finished(row: int) -> Row:
    if row < DONE:
        return Row(row, State.COMPLETED, 1, 1, 2, 2, f"run-{row}", "success", submitted_at=AT, finished_at=AT + 5)
    return Row(row, State.FAILED, 2, problem=Problem(ErrorKind.REJECTED, "refused", "4000", 400), finished_at=AT)


def write(table: Table, folder: Path, rows: int) -> Path:
    """The two files for the first rows."""
    outputs = [json.dumps(value, ensure_ascii=False) for value in OUTPUTS][:rows]
    columns = compile_selections(SELECT, flatten=True, taken=names_in_use(table.columns, "id")).agree(outputs)
    texts = [*outputs, *[None] * WRONG][:rows]
    records = [result_row(finished(row), text) for row, text in enumerate(texts)]
    write_results(table, records, folder, "id", columns)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three completed rows and two that failed."""
    folder = tmp_path_factory.mktemp("elsewhere")
    pq.write_table(inputs(), folder / "in.parquet")
    return write(open_table(Source(folder / "in.parquet")), folder, DONE + WRONG)


@pytest.fixture(scope="module")
def empty(folder: Path) -> Path:
    """The same before anything has ended."""
    (folder / "empty").mkdir()
    return write(open_table(Source(folder / "in.parquet")), folder / "empty", 0)


def in_duckdb(path: Path) -> Any:
    return duckdb.connect().read_parquet(str(path))


NAMES: dict[str, Callable[[Path], list[str]]] = {
    "pandas": lambda path: list(pd.read_parquet(path).columns),
    "polars": lambda path: pl.read_parquet(path).columns,
    "duckdb": lambda path: list(in_duckdb(path).columns),
}
ROWS: dict[str, Callable[[Path], int]] = {
    "pandas": lambda path: len(pd.read_parquet(path)),
    "polars": lambda path: pl.read_parquet(path).height,
    "duckdb": lambda path: len(in_duckdb(path).select("row").fetchall()),
}


@pytest.mark.parametrize("reader", NAMES)
def test_every_column_and_row_is_there_under_its_name(folder: Path, empty: Path, reader: str) -> None:
    for name, rows in (("outputs.parquet", DONE), ("errors.parquet", WRONG)):
        for path, expected in ((folder / name, rows), (empty / name, 0)):
            assert NAMES[reader](path) == pq.read_schema(path).names
            assert ROWS[reader](path) == expected
    assert NAMES[reader](folder / "outputs.parquet")[-17:] == [
        "output", "first_part", "letters", "guess", "sure", "n", "ok", "mixed", "parts", "output.status", "big",
        "nothing", "status", "attempts", "polls", "submitted_at", "finished_at", "created_at", "updated_at",
    ][-17:]  # fmt: skip


def test_pandas(folder: Path, empty: Path) -> None:
    table = pd.read_parquet(folder / "outputs.parquet")
    row = table.iloc[0]
    assert row["run_id"] == "run-0"
    assert row["long"] == LONG
    assert row["when"] == row["submitted_at"] == pd.Timestamp(AT, unit="ms", tz="UTC")
    assert row["struct"]["b"] == "x"
    assert (row["guess"], row["sure"], row["letters"], row["mixed"], row["big"]) == ("Adelie", 0.5, 6, "7", str(2**80))
    assert json.loads(row["parts"]) == [1, {"a": None}]
    assert list(table["mixed"][:2].map(json.loads)) == [7, "7"]
    assert list(table["cat"][[0, 2]]) == ["a", "b"]
    assert str(table["finished_at"].dtype) == "datetime64[ms, UTC]"
    assert pd.api.types.is_float_dtype(table["sure"])
    assert pd.read_parquet(folder / "errors.parquet")["error_kind"].tolist() == ["rejected"] * WRONG
    assert str(pd.read_parquet(empty / "errors.parquet")["row"].dtype) == "int64"


def test_polars(folder: Path, empty: Path) -> None:
    table = pl.read_parquet(folder / "outputs.parquet")
    row = table.row(0, named=True)
    assert (row["key"], row["long"], row["price"]) == ("r0", LONG, Decimal("1.50"))
    assert row["when"] == row["submitted_at"] == datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)
    assert (row["struct"], row["list"], row["cat"]) == ({"a": [1], "b": "x"}, [1, 2], "a")
    assert table["n"].to_list() == [1, -(2**63), None]
    assert table["parts"].str.json_path_match("$[0]").to_list() == ["1", None, None]
    expected = {
        "row": pl.Int64(), "key": pl.String(), "run_id": pl.String(), "output": pl.String(), "letters": pl.Int64(),
        "first_part": pl.Int64(), "guess": pl.String(), "sure": pl.Float64(), "n": pl.Int64(), "ok": pl.Boolean(),
        "mixed": pl.String(), "nothing": pl.String(), "attempts": pl.Int32(), "finished_at": pl.Datetime("ms", "UTC"),
    }  # fmt: skip
    assert {name: table.schema[name] for name in expected} == expected
    errors = pl.read_parquet(empty / "errors.parquet")
    assert errors.schema == pl.read_parquet(folder / "errors.parquet").schema
    assert errors.schema["http_status"] == pl.Int32()


def test_duckdb(folder: Path, empty: Path) -> None:
    table = in_duckdb(folder / "outputs.parquet")
    values = table.select(
        'run_id, long, epoch_ms(finished_at), struct.b, list[2], map[\'k\'], "input.status", "output.status", letters, '
        "json_extract(parts, '$[0]')::INT, mixed"
    ).fetchall()
    assert values[0] == ("run-0", LONG, AT + 5, "x", 2, 1, "input's own", "x", 6, 1, "7")
    kinds = dict(zip(table.columns, map(str, table.types), strict=True))
    expected = {
        "row": "BIGINT", "long": "DECIMAL(23,0)", "when": "TIMESTAMP WITH TIME ZONE", "guess": "VARCHAR",
        "sure": "DOUBLE", "n": "BIGINT", "ok": "BOOLEAN", "nothing": "VARCHAR", "polls": "INTEGER",
        "submitted_at": "TIMESTAMP WITH TIME ZONE",
    }  # fmt: skip
    assert {name: kinds[name] for name in expected} == expected
    errors = in_duckdb(folder / "errors.parquet")
    assert errors.select("state, http_status, error_message").fetchall() == [("failed", 400, "refused")] * WRONG
    assert in_duckdb(empty / "errors.parquet").types == errors.types
