"""Mistakes in `--select`, and its columns in the result files."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from batchrun.adapters.results.selections import compile_selections, mistakes
from batchrun.adapters.results.writer import names_in_use, write_results
from batchrun.adapters.tables import Source, Table, open_table
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.filenames import ERRORS, OUTPUTS
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.errors import InputError
from tests.support.result_rows import result_row

# -- mistakes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is empty"),
        ("foo[0", "it ends too early"),
        ("foo.", "it ends too early"),
        ("a b", "unexpected 'b' at character 3"),
        ("a 'b", "unclosed ' delimiter at character 3"),
        ("error-code", "unknown token '-' at character 6. Quote a name with other characters: x=\"a-b\""),
        ("a[?b.lenght(@) > `1`]", "JMESPath has no function lenght(); did you mean length()?"),
        ("qqq(@)", "JMESPath has no function qqq()"),
        ("length(a, b)", "length() takes 1 argument, not 2"),
        ("merge()", "merge() takes at least 1 argument, not 0"),
        ("a[" + "9" * 5000 + "]", "sensible size"),
        ("(" * 50_000, "sensible size"),
        ("\udcff", "is not text in UTF-8"),
    ],
)
def test_an_invalid_expression_is_reported_with_its_position(text: str, told: str) -> None:
    (line,) = mistakes({"n": text}, ())
    assert line.startswith("--select n=")
    assert told in line
    assert line.isprintable()


def test_all_mistakes_are_reported_at_once() -> None:
    taken = names_in_use(["id", "state"], "id")
    select = {
        "id": "a", "state": "a", "input.state": "a", "status": "b[", "output": "a", "error_kind": "a", "key": "a",
        "row": "a", "": "a", "\udcff": "a", "good": "a", "bad": "a\n[",
    }  # fmt: skip
    with pytest.raises(InputError) as caught:
        compile_selections(select, flatten=False, taken=taken)
    lines = list(caught.value.problems)
    starts = [f"--select {name}=" for name in [*list(select)[:4], *list(select)[3:9], r"'\udcff'", "bad"]]
    assert [line[: len(start)] for line, start in zip(lines, starts, strict=True)] == starts
    assert all(line.isprintable() for line in lines)


def test_a_name_of_ours_is_free_where_it_is_none_of_ours() -> None:
    assert mistakes({"key": "a"}, names_in_use(["id"], None)) == []


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "@",
        "a.b[0].c",
        "a[?b == 'x'] | [0]",
        '`"x"`',
        '"error-code"',
        "not_null(a, b, c)",
        "merge(@)",
        "'`'",
        "a\n.b",
    ],
)
def test_what_is_an_expression(text: str) -> None:
    assert mistakes({"n": text}, ()) == []


# -- in the files


def written(folder: Path, table: Table, outputs: Iterable[str], select: Mapping[str, str], *, flatten: bool) -> None:
    """The two files, of rows that completed with these outputs and one more that failed."""
    texts = list(outputs)
    selections = compile_selections(select, flatten=flatten, taken=names_in_use(table.columns, None))
    columns = selections.agree(texts)
    records = [result_row(Row(row, State.COMPLETED, run_id=f"run-{row}"), text) for row, text in enumerate(texts)]
    failed = result_row(Row(len(texts), State.FAILED, problem=Problem(ErrorKind.REJECTED, "refused")))
    write_results(table, [*records, failed], folder, None, columns)


def rows_of(folder: Path, content: str) -> Table:
    (folder / "in.csv").write_text(content)
    return open_table(Source(folder / "in.csv"))


def test_they_stand_behind_the_output_in_one_file_only(tmp_path: Path) -> None:
    table = rows_of(tmp_path, "id,status\n1,x\n2,y\n")
    written(tmp_path, table, ['{"n": 5, "status": "s"}'], {"sel": "n"}, flatten=True)
    outputs, errors = (pq.ParquetFile(tmp_path / name).read() for name in (OUTPUTS, ERRORS))
    assert outputs.column_names[:9] == [
        "row", "id", "input.status", "run_id", "output", "sel", "n", "output.status", "status",
    ]  # fmt: skip
    assert outputs.select(["id", "input.status", "sel", "n", "output.status"]).to_pylist() == [
        {"id": "1", "input.status": "x", "sel": 5, "n": 5, "output.status": "s"}
    ]
    assert errors.column_names[:5] == ["row", "id", "input.status", "run_id", "status"]


def test_as_an_input_the_file_is_what_it_was_before(tmp_path: Path) -> None:
    table = rows_of(tmp_path, "id,status\n1,x\n2,y\n")
    written(tmp_path, table, ['{"n": 5, "status": "s"}'], {"sel": "n"}, flatten=True)
    for name, values in ((OUTPUTS, ("1", "x")), (ERRORS, ("2", "y"))):
        again = open_table(Source(tmp_path / name))
        assert again.columns == ("id", "status")
        assert [batch.values(again.columns) for batch in again.batches()] == [[values]]


def test_no_selection_moves_a_column_of_the_input(tmp_path: Path) -> None:
    table = rows_of(tmp_path, "id,n\n1,x\n2,y\n")
    written(tmp_path, table, ['{"n": 5, "id": 6}'], {}, flatten=True)
    assert pq.read_schema(tmp_path / OUTPUTS).names[:7] == [
        "row",
        "id",
        "n",
        "run_id",
        "output",
        "output.n",
        "output.id",
    ]
