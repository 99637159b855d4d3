"""Results as CSV: other programs read the same texts, a null differs from an empty text, and nothing is run."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from batchrun.adapters.tables import Source, open_table
from tests.adapters.exported import AT, exported, parquet_input, written
from tests.support.examples import examples

CELLS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    [
        "",
        '"',
        '""',
        ",",
        "\n",
        "\r",
        "\r\n",
        " a ",
        "NA",
        "null",
        "007",
        "1e3",
        "=1",
        "\ufeff",
        "a\nb",
        "#",
        "'",
        "\\",
        "\t",
    ]
)


def with_our_reader(path: Path) -> list[list[str | None]]:
    table = open_table(Source(path))
    return [list(map(str, row)) for batch in table.batches() for row in batch.values(table.columns)]


def with_pandas(path: Path) -> list[list[str | None]]:
    rows: list[list[str | None]] = pd.read_csv(path, dtype=str, keep_default_na=False).to_numpy().tolist()
    return rows


def with_polars(path: Path) -> list[list[str | None]]:
    return [list(row) for row in pl.read_csv(path, infer_schema=False).rows()]


def with_duckdb(path: Path) -> list[list[str | None]]:
    # The format is named: to guess it, DuckDB needs more than a row of odd texts.
    found = duckdb.connect().execute(
        "SELECT * FROM read_csv(?, auto_detect=false, header=true, delim=',', quote='\"', escape='\"', "
        "columns={'a': 'VARCHAR', 'b': 'VARCHAR'})",
        [str(path)],
    )
    return [list(row) for row in found.fetchall()]


READERS: dict[str, Callable[[Path], list[list[str | None]]]] = {
    "ours": with_our_reader, "pandas": with_pandas, "polars": with_polars, "duckdb": with_duckdb,
}  # fmt: skip


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=examples(60))
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
@example(rows=[("", "")])
@example(rows=[("\r", '"\n"'), ("", "\ufeff")])
def test_any_text_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, reader: str, rows: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.getbasetemp()
    first, second = zip(*rows, strict=True)
    path = written(pa.table({"first": first, "second": second}), folder, "csv")
    found = [[cell or "" for cell in row] for row in READERS[reader](path)]
    assert found == [list(row) for row in rows]


def test_the_byte_order_mark_is_in_no_name(tmp_path: Path) -> None:
    path = written(pa.table({"row": [1], "名": ["x"]}), tmp_path, "csv")
    names = [pd.read_csv(path).columns, pl.read_csv(path).columns, duckdb.connect().read_csv(str(path)).columns]
    assert [*map(list, names), list(open_table(Source(path)).columns)] == [["row", "名"]] * 4


def test_a_null_is_nothing_and_an_empty_text_is_in_quotes(tmp_path: Path) -> None:
    path = written(pa.table({"a": ["", None, "x"], "b": [None, 1, 2]}), tmp_path, "csv")
    assert path.read_bytes() == '\ufeff"a","b"\r\n"",\r\n,1\r\n"x",2\r\n'.encode()
    assert pl.read_csv(path)["a"].to_list() == ["", None, "x"]
    assert duckdb.connect().read_csv(str(path), allow_quoted_nulls=False).fetchall() == [
        ("", None),
        (None, 1),
        ("x", 2),
    ]


def test_values_of_every_type(tmp_path: Path) -> None:
    table = pa.table({
        "long": pa.array([2**63 - 1, None]),
        "real": pa.array([0.1 + 0.2, float("nan")]),
        "small": pa.array([0.1, float("-inf")], pa.float32()),
        "flag": pa.array([True, None]),
        "price": pa.array([Decimal("1.50"), None], pa.decimal128(9, 2)),
        "utc": pa.array([AT, None], pa.timestamp("ms", "UTC")),
        "year": pa.array([300_000_000_000_000, -62_135_596_800_000], pa.timestamp("ms", "UTC")),
        "fine": pa.array([AT * 1_000_000 + 1, None], pa.timestamp("ns", "UTC")),
        "zone": pa.array([AT, None], pa.timestamp("ms", "Asia/Shanghai")),
        "local": pa.array([AT, None], pa.timestamp("ms")),
        "day": pa.array([date(2024, 2, 29), None]),
        "list": pa.array([[1, None], None]),
        "struct": pa.array([{"a": 'x"y', "b": float("nan")}, None]),
        "bytes": pa.array([b"\xff\x00", None]),
        "kind": pa.array(["=a", None]).dictionary_encode(),
    })  # fmt: skip
    found = with_our_reader(written(table, tmp_path, "csv"))
    assert dict(zip(table.column_names, found[0], strict=True)) == {
        "long": "9223372036854775807", "real": "0.30000000000000004", "small": "0.1", "flag": "true", "price": "1.50",
        "utc": "2023-11-14T22:13:20.123Z", "year": "+011476-08-15T05:20:00Z",
        "fine": "2023-11-14T22:13:20.123000001Z", "zone": "2023-11-15T06:13:20.123000+08:00",
        "local": "2023-11-14T22:13:20.123000", "day": "2024-02-29", "list": "[1,null]",
        "struct": '{"a": "x\\"y", "b": NaN}', "bytes": "/wA=", "kind": "=a",
    }  # fmt: skip
    assert found[1][:3] == ["", "nan", "-inf"]
    again = pd.read_csv(tmp_path / "outputs.csv", parse_dates=["utc"])
    assert again["long"][0] == 2**63 - 1
    assert float(pl.read_csv(tmp_path / "outputs.csv")["real"][0]) == 0.1 + 0.2  # pandas rounds in some versions
    assert again["utc"][0] == datetime(2023, 11, 14, 22, 13, 20, 123_000, UTC)


def test_nothing_that_a_spreadsheet_would_run_begins_a_cell(tmp_path: Path) -> None:
    hostile = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "-", "+86 138"]
    harmless = ["-1.5", "+2", "-1e-3", "a=1", " =1", "", "-.5", "'=1"]
    table = pa.table({"=head": [*hostile, *harmless], "n": pa.array([-1] * 18)})
    names, cells = zip(*with_our_reader(written(table, tmp_path, "csv", excel_safe=True)), strict=True)
    assert list(names) == [*(f"'{text}" for text in hostile), *harmless]
    assert set(cells) == {"-1"}
    assert open_table(Source(tmp_path / "outputs.csv")).columns[0] == "'=head"


def test_both_files_of_a_job_leave_the_parquet_files_alone(tmp_path: Path) -> None:
    source = parquet_input(tmp_path, pa.table({"id": [1, 2], "output": ["theirs", None]}))
    outputs, errors = exported(source, ['{"a": 1.0}', None], "csv")
    assert pd.read_csv(outputs)[["row", "id", "input.output", "output", "submitted_at"]].to_dict("records") == [
        {
            "row": 0,
            "id": 1,
            "input.output": "theirs",
            "output": '{"a": 1.0}',
            "submitted_at": "2023-11-14T22:13:20.123Z",
        }
    ]
    assert pd.read_csv(errors)["state"].tolist() == ["failed"]
    assert not list(tmp_path.glob("outputs.parquet"))
