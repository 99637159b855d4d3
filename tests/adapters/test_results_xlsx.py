"""Results as Excel workbooks, as openpyxl, pandas and LibreOffice read them: texts stay texts, what is cut is told."""

import logging
import math
import shutil
import subprocess
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import ZipFile

import openpyxl
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from batchrun.adapters.results.base import Target
from batchrun.adapters.results.xlsx import Limits, open_xlsx
from tests.adapters.exported import AT, exported, parquet_input, written
from tests.support.examples import examples

OFFICE = shutil.which("soffice")
HOSTILE = [
    "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "{=1}", "https://example.com", "mailto:a@b", "internal:Sheet1!A1", "007",
    "1e3", "12345678901234567890", "true", "NaN", "2024-02-29", "#REF!", "<r>x</r>", "<r><t>=1</t></r>",
    "</t></is></c>", "]]>", "&amp;", "&#0;", " a ", "a\nb", "_x0041_", "_x005F_x0041_", "'=1", "名𝄞",
]  # fmt: skip
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
LIKE_ESCAPES = st.text(st.sampled_from("_x0041F\x01\r\uffff"), min_size=1, max_size=20)
CONTROLS = "".join(map(chr, range(32))) + "\x7f\ufffe\uffff"


def cells(path: Path) -> list[list[Any]]:
    """The cells below the header of the first sheet, with Excel's escapes of control characters undone."""
    sheet = openpyxl.load_workbook(path).worksheets[0]
    for row in sheet.iter_rows():
        assert all(cell.data_type in "nsbd" and cell.hyperlink is None for cell in row), "no formula, link or error"
    rows = [list(row) for row in sheet.iter_rows(min_row=2, values_only=True)]
    return [[unescape(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]


def limited(table: pa.Table, folder: Path, limits: Limits) -> Path:
    path = folder / "outputs.xlsx"
    with path.open("wb") as file, open_xlsx(Target(path, file, table.schema), limits) as write:
        for batch in table.to_batches(max_chunksize=2):
            write(batch)
    return path


@settings(max_examples=examples(40))
@given(texts=st.lists(TEXTS | LIKE_ESCAPES, min_size=1, max_size=5))
@example(texts=HOSTILE)
@example(texts=[*CONTROLS, CONTROLS, "_x0041_x0041_x0041\x01_x0041_\x02"])
def test_any_text_is_a_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    path = written(pa.table({"=1+1": texts}), tmp_path_factory.getbasetemp(), "xlsx")
    assert cells(path) == [[text] for text in texts]
    with ZipFile(path) as book:
        sheet = book.read("xl/worksheets/sheet1.xml")
        assert b"<f>" not in sheet
        assert b"hyperlink" not in sheet
        assert not [name for name in book.namelist() if "rels/sheet" in name or "sharedStrings" in name]


def test_values_of_every_type(tmp_path: Path) -> None:
    table = pa.table({
        "long": pa.array([10**15 - 1, 10**15, -(2**53) - 1, None]),
        "unsigned": pa.array([0, 1, 2**64 - 1, None], pa.uint64()),
        "real": pa.array([0.1 + 0.2, math.nan, -math.inf, 1e300]),
        "flag": pa.array([True, False, None, None]),
        "price": pa.array([Decimal("1.50"), None, None, None], pa.decimal128(9, 2)),
        "exact": pa.array([Decimal("1.50"), None, None, None], pa.decimal128(20, 2)),
        "utc": pa.array([AT, -(10**13), 0, None], pa.timestamp("ms", "UTC")),
        "local": pa.array([AT * 1000, 0, 1000, None], pa.timestamp("us")),
        "fine": pa.array([AT * 10**6 + 1, AT * 10**6, None, None], pa.timestamp("ns", "UTC")),
        "zone": pa.array([AT, None, None, None], pa.timestamp("ms", "Asia/Shanghai")),
        "day": pa.array([date(2024, 2, 29), date(1900, 1, 1), date(9999, 12, 31), None]),
        "list": pa.array([[1], None, None, None]),
        "text": pa.array(["x", "", None, "1"]),
    })  # fmt: skip
    path = written(table, tmp_path, "xlsx")
    columns = dict(zip(table.column_names, map(list, zip(*cells(path), strict=True)), strict=True))
    assert columns.pop("utc") == [
        datetime(2023, 11, 14, 22, 13, 20, 123_000), "1653-02-10T06:13:20.000Z", datetime(1970, 1, 1), None  # noqa: DTZ001
    ]  # fmt: skip
    assert columns.pop("local")[0] == datetime(2023, 11, 14, 22, 13, 20, 123_000)  # noqa: DTZ001
    assert columns == {
        "long": [10**15 - 1, "1000000000000000", str(-(2**53) - 1), None],
        "unsigned": [0, 1, str(2**64 - 1), None],
        "real": [0.1 + 0.2, "NaN", "-Infinity", 1e300],
        "flag": [True, False, None, None],
        "price": [1.5, None, None, None],
        "exact": ["1.50", None, None, None],
        "fine": ["2023-11-14T22:13:20.123000001Z", datetime(2023, 11, 14, 22, 13, 20, 123_000), None, None],  # noqa: DTZ001
        "zone": ["2023-11-15T06:13:20.123000+08:00", None, None, None],
        "day": [datetime(2024, 2, 29), "1900-01-01", datetime(9999, 12, 31), None],  # noqa: DTZ001
        "list": ["[1]", None, None, None],
        "text": ["x", "", None, "1"],
    }
    sheet = openpyxl.load_workbook(path).active
    assert sheet["G2"].number_format == 'yyyy-mm-dd"T"hh:mm:ss.000"Z"'
    assert (sheet["A2"].number_format, sheet["E2"].number_format, sheet["M2"].number_format) == ("0", "0.00", "@")


def test_the_header_is_bold_and_stays_in_sight_and_columns_are_wide_enough(tmp_path: Path) -> None:
    table = pa.table({"id": [1], "a long name of a column": ["x"], "text": ["y" * 500]})
    sheet = openpyxl.load_workbook(written(table, tmp_path, "xlsx")).active
    assert sheet.title == "outputs"
    assert sheet.freeze_panes == "A2"
    assert all(cell.font.bold for cell in sheet[1])
    assert [sheet.column_dimensions[name].width for name in "ABC"] == pytest.approx([9, 24, 60], abs=1)
    nothing = openpyxl.load_workbook(written(table.slice(0, 0), tmp_path, "xlsx")).active
    assert [cell.value for cell in nothing[1]] == table.column_names


def test_a_text_that_no_cell_holds_is_cut_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fits, long = "a" * 32_765 + "𝄞", "a" * 32_765 + "𝄞b"
    with caplog.at_level(logging.WARNING):
        found = cells(written(pa.table({"n": [1, 2, 3], "output": [fits, long, long]}), tmp_path, "xlsx"))
    assert found == [[1, fits], [2, "a" * 32_765 + "…"], [3, "a" * 32_765 + "…"]]
    (message,) = caplog.messages
    assert message == (
        "outputs.xlsx: 2 texts are cut, as a cell holds 32,767 characters; they end in “…”, the first in line 3, "
        "column 'output'; --format parquet or csv has all of it"
    )


def test_rows_beyond_a_sheet_go_on_in_the_next_and_columns_are_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    table = pa.table({"a": list(range(7)), "b": ["x"] * 7, "c": [True] * 7})
    path = limited(table, tmp_path, Limits(rows=4, columns=2))
    sheets = openpyxl.load_workbook(path).worksheets
    assert [sheet.title for sheet in sheets] == ["outputs", "outputs 2", "outputs 3"]
    assert [list(sheet.values) for sheet in sheets] == [
        [("a", "b"), (0, "x"), (1, "x"), (2, "x")], [("a", "b"), (3, "x"), (4, "x"), (5, "x")], [("a", "b"), (6, "x")]
    ]  # fmt: skip
    assert [sheet.freeze_panes for sheet in sheets] == ["A2"] * 3
    assert caplog.messages == [
        "outputs.xlsx: its 7 rows are on 3 sheets, as one holds 4 lines",
        "outputs.xlsx: the last 1 columns are left out, as a sheet holds 2; --format parquet or csv has all of it",
    ]
    caplog.clear()
    assert len(openpyxl.load_workbook(limited(table.slice(0, 3), tmp_path, Limits(rows=4))).worksheets) == 1
    assert caplog.messages == []


def test_pandas_reads_it(tmp_path: Path) -> None:
    source = parquet_input(tmp_path, pa.table({"id": ["007", "8"], "n": [2**60, 1]}))
    outputs, errors = exported(source, ['{"a": 1}', None], "xlsx")
    table = pd.read_excel(outputs, dtype={"id": str, "n": object})
    assert table[["id", "n", "output"]].to_dict("records") == [{"id": "007", "n": str(2**60), "output": '{"a": 1}'}]
    assert table["submitted_at"][0].tz_localize(UTC).value == AT * 10**6
    assert pd.read_excel(errors)["state"].tolist() == ["failed"]


@pytest.mark.skipif(OFFICE is None, reason="LibreOffice is not installed")
def test_libreoffice_reads_it(tmp_path: Path) -> None:
    assert OFFICE is not None
    texts = [text for text in HOSTILE if not set(text) & set("\t\n ")]
    moments = pa.array([AT] * len(texts), pa.timestamp("ms", "UTC"))
    path = written(pa.table({"=1": texts, "at": moments}), tmp_path, "xlsx")
    subprocess.run(
        [OFFICE, f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "fods", str(path)],
        cwd=tmp_path,
        capture_output=True,
        timeout=100,
        check=True,
    )
    tree = ElementTree.parse(tmp_path / "outputs.fods")
    rows = [row.findall("{*}table-cell")[:2] for row in tree.iterfind(".//{*}table-row")][: len(texts) + 1]
    shown = [["".join(cell.itertext()).strip() for cell in row] for row in rows]
    assert shown == [["=1", "at"], *([text, "2023-11-14T22:13:20.123Z"] for text in texts)]
    attributes = [{name.rpartition("}")[2]: value for name, value in cell.items()} for row in rows[1:] for cell in row]
    assert [found["value-type"] for found in attributes] == ["string", "date"] * len(texts)
    assert not any("formula" in found for found in attributes)


def test_nothing_is_left_behind_after_an_error(tmp_path: Path) -> None:
    path, scratch, table = tmp_path / "outputs.xlsx", tmp_path / "scratch", pa.table({"a": [1]})
    scratch.mkdir()
    with (
        pytest.raises(RuntimeError, match="stop"),
        path.open("wb") as file,
        open_xlsx(Target(path, file, table.schema), scratch=scratch) as write,
    ):
        write(table.to_batches()[0])
        assert list(scratch.iterdir())
        raise RuntimeError("stop")
    assert not list(scratch.iterdir())
