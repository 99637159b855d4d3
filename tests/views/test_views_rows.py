"""The table of `head`: it fits the terminal, hides the least informative columns, and never moves the cursor."""

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from batchrun.adapters.results.writer import results_table
from batchrun.adapters.tables import Source, open_table
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.views.console import Terminal
from batchrun.views.row_table import show_rows, write_rows
from tests.support.examples import examples
from tests.support.result_rows import result_row

LONG = '{"guess":"Adelie","note":"' + "x" * 200 + '"}'


REFUSED = "row refused: the input text is missing, HTTP 400"


def _rows(
    folder: Path,
    columns: dict[str, list[str]],
    outputs: list[str | None],
    *,
    errors: bool = False,
    message: str = "it was told to fail",
) -> pa.Table:
    path = folder / "in.csv"
    cells = zip(*columns.values(), strict=True)
    quote = lambda text: '"' + text.replace('"', '""') + '"'  # noqa: E731 - used twice below
    lines = [",".join(map(quote, columns)), *(",".join(map(quote, row)) for row in cells)]
    path.write_text("\n".join(lines) + "\n", "utf-8", newline="")
    problem = Problem(ErrorKind.RUN_FAILED, message)
    result_rows = [
        result_row(Row(n, State.FAILED, run_id=f"run-{n}", problem=problem))
        if errors
        else result_row(Row(n, State.COMPLETED, 1, 1, n, 1, f"run-{n}", "success", submitted_at=1000 + n), output)
        for n, output in enumerate(outputs)
    ]
    return results_table(open_table(Source(path)), result_rows, None, errors=errors)


def _shown(rows: pa.Table, width: int | None) -> list[str]:
    file = io.StringIO()
    if width is None:
        show_rows(rows, Terminal(file=file, highlight=False))
    else:
        show_rows(rows, Terminal(file=file, highlight=False, width=width, force_terminal=True, color_system=None))
    return file.getvalue().splitlines()


def test_without_a_terminal_nothing_is_truncated(tmp_path: Path) -> None:
    rows = _rows(tmp_path, {"text": ["a" * 300, "b"]}, [LONG, "null"])
    heading, first, second = _shown(rows, None)
    assert heading.split() == rows.column_names
    assert "a" * 300 in first
    assert LONG in first
    assert "1970-01-01T00:00:01.001Z" in second
    assert heading.index("run_id") == first.index("run-0") == second.index("run-1")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_on_a_terminal_the_users_columns_and_the_output_stay_readable(tmp_path: Path, width: int) -> None:
    rows = _rows(tmp_path, {"id": ["7", "8"], "text": ["short", "words"]}, [LONG, LONG])
    table = _shown(rows, width)[:3]
    for wanted in ("id", "text", "output"):
        assert wanted in table[0].split()
    assert all(word in table[1].split() for word in ("0", "7", "short"))
    assert '{"guess":"Adelie"' in table[1]
    assert "…" in table[1]
    assert all(len(line) <= width for line in table)


@pytest.mark.parametrize(("width", "shown"), [(60, "row refused: the input text is missing"), (80, REFUSED)])
def test_the_message_of_a_row_with_errors_is_shown_rather_than_its_input(
    tmp_path: Path, width: int, shown: str
) -> None:
    columns = {f"column_{number}": ["some words that are long"] for number in range(8)}
    lines = _shown(_rows(tmp_path, columns, [None], errors=True, message=REFUSED), width)
    (row,) = [line for line in lines if "run_failed" in line]
    assert shown in row
    assert row.count("some") <= 1, "where there is room for it"
    assert len(row) <= width


def test_the_least_informative_columns_are_hidden_first(tmp_path: Path) -> None:
    rows = _rows(tmp_path, {"id": ["7", "8"]}, ["{}", "{}"])
    footers = [" ".join(_shown(rows, width)).partition("hidden")[2].replace(",", "").split() for width in (90, 45)]
    hidden = [set(found) & set(rows.column_names) for found in footers]
    assert hidden[0] < hidden[1]
    assert hidden[0] <= {"created_at", "updated_at", "finished_at", "attempts", "status"}  # all null, or all equal
    assert "polls" not in hidden[0]
    assert not {"row", "id", "output"} & hidden[1]


def test_errors_keep_their_kind_and_message(tmp_path: Path) -> None:
    rows = _rows(tmp_path, {"id": ["7", "8"], "text": ["x" * 50, "y"]}, [None, None], errors=True)
    heading, first, *_ = _shown(rows, 80)
    assert {"error_kind", "error_message"} <= set(heading.split())
    assert "run_failed" in first
    assert "it was told to fail" in first


def test_a_long_name_is_broken_between_its_words(tmp_path: Path) -> None:
    names = {f"a_very_long_name_{n}": ["1.5", "2.5"] for n in range(4)}
    lines = _shown(_rows(tmp_path, names, ["{}", "{}"]), 60)
    height = next(number for number, line in enumerate(lines) if "1.5" in line)
    index = lines[height].index("1.5")
    assert "".join(line[index:].split("  ")[0] for line in lines[:height]).startswith("a_very_long_name_0")


@settings(max_examples=examples(60))
@given(
    cells=st.lists(st.text(max_size=40), min_size=1, max_size=5),
    name=st.text(min_size=1, max_size=30),
    width=st.integers(20, 150),
)
def test_a_line_never_is_wider_than_the_terminal_and_never_moves_the_cursor(
    tmp_path_factory: pytest.TempPathFactory, cells: list[str], name: str, width: int
) -> None:
    folder = tmp_path_factory.getbasetemp()
    rows = _table(folder, name, cells)
    lines = _shown(rows, width)
    table_end = next((index for index, line in enumerate(lines) if line.startswith("not shown")), len(lines))
    assert table_end >= len(cells) + 1
    for line in lines[:table_end]:
        assert cell_len(line) <= width
        assert line.isprintable()


def _table(folder: Path, name: str, cells: list[str]) -> pa.Table:
    import pyarrow.parquet as pq  # noqa: PLC0415 - CSV cannot hold all these texts as column names

    pq.write_table(pa.table({name: cells}), folder / "in.parquet")
    result_rows = [result_row(Row(n, State.COMPLETED, run_id=f"run-{n}"), "{}") for n in range(len(cells))]
    return results_table(open_table(Source(folder / "in.parquet")), result_rows, None, errors=False)


def test_lines_of_json_hold_everything_and_outputs_as_json(tmp_path: Path) -> None:
    rows = _rows(tmp_path, {"id": ["007", "8"]}, ['{\n "n": 12345678901234567890123, "f": 1.0\r\n}', None])
    lines: list[bytes] = []
    write_rows(rows, lines.append)
    first, second = (json.loads(line) for line in lines)
    assert list(first) == rows.column_names
    assert first["id"] == "007"
    assert first["output"] == {"n": 12345678901234567890123, "f": 1.0}
    assert b'"f": 1.0' in lines[0]
    assert b"\n" not in lines[0]
    assert second["output"] is None
    assert first["submitted_at"] == "1970-01-01T00:00:01+00:00"


def test_the_users_own_output_column_is_not_json(tmp_path: Path) -> None:
    rows = _rows(tmp_path, {"output": ["{", "}"]}, ["1", "2"])
    lines: list[bytes] = []
    write_rows(rows, lines.append)
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert [(row["input.output"], row["output"]) for row in found] == [("{", 1), ("}", 2)]
