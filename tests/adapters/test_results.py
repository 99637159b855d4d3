"""The two Parquet files: each row once, the promised columns and types, and atomic writes."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.adapters.checkpoint.results_reader import ResultRow
from batchrun.adapters.results.writer import Written, write_results
from batchrun.adapters.tables import Source, Table, open_table
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.filenames import ERRORS, OUTPUTS
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.errors import BugError, StorageError
from tests.support.examples import examples
from tests.support.result_rows import result_row

TIME = pa.timestamp("ms", "UTC")
COMMON = [
    ("status", pa.string()),
    ("attempts", pa.int32()),
    ("polls", pa.int32()),
    ("submitted_at", TIME),
    ("finished_at", TIME),
    ("created_at", TIME),
    ("updated_at", TIME),
]
PROBLEM = [
    ("state", pa.string()),
    ("error_kind", pa.string()),
    ("error_code", pa.string()),
    ("error_message", pa.string()),
    ("http_status", pa.int32()),
]
RUN_ID, OUTPUT = ("run_id", pa.string()), ("output", pa.string())


def csv_of(folder: Path, content: str) -> Table:
    path = folder / "in.csv"
    path.write_text(content, newline="")
    return open_table(Source(path))


def parquet_of(folder: Path, table: pa.Table, **options: Any) -> Table:
    pq.write_table(table, folder / "in.parquet", **options)
    return open_table(Source(folder / "in.parquet"))


def completed(row: int, output: str | None = "{}") -> ResultRow:
    return result_row(Row(row, State.COMPLETED, run_id=f"run-{row}"), output)


def failed(row: int, state: State = State.FAILED) -> ResultRow:
    return result_row(Row(row, state, problem=Problem(ErrorKind.REJECTED, "refused")))


def read(folder: Path) -> tuple[pa.Table, pa.Table]:
    outputs, errors = (pq.ParquetFile(folder / name).read() for name in (OUTPUTS, ERRORS))
    return outputs, errors


def types(table: pa.Table) -> list[tuple[str, pa.DataType]]:
    return [(field.name, field.type) for field in table.schema]


def test_columns_order_and_types(tmp_path: Path) -> None:
    table = csv_of(tmp_path, "id,text\n7,a\n8,b\n9,c\n")
    records = [
        result_row(
            Row(0, State.COMPLETED, 1, 1, 3, 3, "r0", "success", None, 1, 1000, 1500, 2000, 1100, 1900), '{"n":1.0}'
        ),
        result_row(Row(1, State.FAILED, problem=Problem(ErrorKind.REJECTED, "no such thing", "4000", 400), attempts=2)),
        result_row(Row(2, State.IN_DOUBT, problem=Problem(ErrorKind.IN_DOUBT, "no answer"), submitted_at=5)),
    ]
    assert write_results(table, records, tmp_path, "id") == Written(outputs=1, errors=2)
    outputs, errors = read(tmp_path)
    inputs = [("row", pa.int64()), ("key", pa.string()), ("id", pa.string()), ("text", pa.string())]
    assert types(outputs) == [*inputs, RUN_ID, OUTPUT, *COMMON]
    assert types(errors) == [*inputs, RUN_ID, *COMMON, *PROBLEM]
    (row,) = outputs.cast(pa.schema([(n, pa.int64() if t == TIME else t) for n, t in types(outputs)])).to_pylist()
    assert list(row.values()) == [0, "7", "7", "a", "r0", '{"n":1.0}', "success", 1, 3, 1000, 2000, 1100, 1900]
    assert errors["key"].to_pylist() == ["8", "9"]
    assert errors["attempts"].to_pylist() == [2, 0]
    assert errors.select([name for name, _ in PROBLEM]).to_pylist() == [
        {"state": "failed", "error_kind": "rejected", "error_code": "4000", "error_message": "no such thing",
         "http_status": 400},
        {"state": "in_doubt", "error_kind": "in_doubt", "error_code": None, "error_message": "no answer",
         "http_status": None},
    ]  # fmt: skip


def test_no_rows_still_have_the_whole_schema(tmp_path: Path) -> None:
    table = csv_of(tmp_path, "a\n")
    assert write_results(table, [], tmp_path, None) == Written(0, 0)
    outputs, errors = read(tmp_path)
    inputs = [("row", pa.int64()), ("a", pa.string())]
    assert (types(outputs), outputs.num_rows) == ([*inputs, RUN_ID, OUTPUT, *COMMON], 0)
    assert (types(errors), errors.num_rows) == ([*inputs, RUN_ID, *COMMON, *PROBLEM], 0)


def test_names_that_are_ours_make_room_and_come_back(tmp_path: Path) -> None:
    table = csv_of(tmp_path, "row,state,output,input.row,key\n5,x,y,z,k\n6,x,y,z,k\n")
    write_results(table, [completed(0), failed(1)], tmp_path, None)
    outputs, errors = read(tmp_path)
    expected = ["input.input.row", "input.state", "input.output", "input.row", "key"]
    assert outputs.column_names[1:6] == errors.column_names[1:6] == expected
    again = open_table(Source(tmp_path / ERRORS))
    assert again.columns == table.columns
    assert again.schema == table.schema
    assert [batch.values(again.columns) for batch in again.batches()] == [[("6", "x", "y", "z", "k")]]
    write_results(again, [failed(0)], tmp_path, "key")
    with_key = open_table(Source(tmp_path / ERRORS))
    assert pq.read_schema(tmp_path / ERRORS).names[:3] == ["row", "key", "input.input.row"]
    assert with_key.columns == table.columns


@settings(max_examples=examples(60))
@given(
    cells=st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=8),
    ended=st.data(),
)
def test_every_text_survives(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]], ended: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp()
    quoted = ["a,b", *(",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in cells)]
    table = csv_of(folder, "\r\n".join(quoted))
    done = {row for row in range(len(cells)) if ended.draw(st.booleans())}
    write_results(table, [completed(r) if r in done else failed(r) for r in range(len(cells))], folder, None)
    outputs, errors = read(folder)
    for written, rows in ((outputs, done), (errors, set(range(len(cells))) - done)):
        assert written["row"].to_pylist() == sorted(rows)
        assert list(zip(*written.select(["a", "b"]).to_pydict().values(), strict=True)) == [
            cells[r] for r in sorted(rows)
        ]


def typed() -> pa.Table:
    return pa.table({
        "int": pa.array([1, None, 3, 4], pa.int16()),
        "long": pa.array([Decimal("12345678901234567890123"), None, Decimal(1), Decimal(2)], pa.decimal128(23)),
        "ns": pa.array([1, None, 3, 4], pa.timestamp("ns", "Asia/Shanghai")),
        "cat": pa.array(["a", None, "b", "a"]).dictionary_encode(),
        "struct": pa.array([{"a": [1]}, None, {"a": None}, {"a": []}]),
        "map": pa.array([[("k", 1)], None, [], [("z", None)]], pa.map_(pa.string(), pa.int64())),
        "fixed": pa.array([[1, 2], None, [3, 4], [5, 6]], pa.list_(pa.int8(), 2)),
        "large": pa.array(["x", None, "", "y"], pa.large_string()),
        "binary": pa.array([b"\xff", None, b"", b"z"]),
        "duration": pa.array([1, None, 2, 3], pa.duration("us")),
        "none": pa.nulls(4),
        "uuid": pa.ExtensionArray.from_storage(pa.uuid(), pa.array([bytes(16)] * 4, pa.binary(16))),
    })  # fmt: skip


@pytest.mark.parametrize("group", [1, 3, 4])
@pytest.mark.parametrize("chosen", [[0, 1, 2, 3], [1], [0, 3]])
def test_parquet_columns_keep_their_types_and_values(tmp_path: Path, group: int, chosen: list[int]) -> None:
    source = typed()
    table = parquet_of(tmp_path, source, row_group_size=group)
    write_results(table, [completed(row) for row in chosen], tmp_path, None)
    outputs, _ = read(tmp_path)
    carried = outputs.select(source.column_names)
    assert carried.schema.remove_metadata() == source.schema
    for name in source.column_names:
        expected = source[name].combine_chunks()
        assert carried[name].cast(expected.type).combine_chunks().equals(expected.take(pa.array(chosen))) or (
            carried[name].to_pylist() == expected.take(pa.array(chosen)).to_pylist()
        )


def test_list_views_and_string_views_are_carried(tmp_path: Path) -> None:
    source = pa.table({
        "l": pa.array([[1], None, [2, 3]], pa.list_view(pa.int64())),
        "s": pa.array(["a", None, "c"], pa.string_view()),
    })  # fmt: skip
    write_results(
        parquet_of(tmp_path, source),
        [
            completed(2),
        ],
        tmp_path,
        None,
    )
    assert read(tmp_path)[0].select(["l", "s"]).to_pylist() == [{"l": [2, 3], "s": "c"}]


def test_keys_are_text(tmp_path: Path) -> None:
    table = parquet_of(tmp_path, pa.table({"id": [7, 8], "t": pa.array([0, 1], pa.timestamp("s"))}))
    write_results(table, [completed(0), completed(1)], tmp_path, "id")
    assert read(tmp_path)[0]["key"].to_pylist() == ["7", "8"]
    write_results(table, [completed(0)], tmp_path, "t")
    assert read(tmp_path)[0]["key"].to_pylist() == ["1970-01-01T00:00:00"]


def test_many_rows_far_apart(tmp_path: Path) -> None:
    table = csv_of(tmp_path, "n\n" + "".join(f"{n}\n" for n in range(60_000)))
    chosen = [3, 4095, 4096, 20_000, 59_999]
    write_results(table, [completed(row) for row in chosen], tmp_path, None)
    assert read(tmp_path)[0].select(["row", "n"]).to_pylist() == [{"row": n, "n": str(n)} for n in chosen]
    write_results(table, [failed(row) for row in range(60_000)], tmp_path, None)
    errors = pq.ParquetFile(tmp_path / ERRORS)
    assert errors.metadata.num_row_groups == 3
    assert errors.read(["row"])["row"].to_pylist() == list(range(60_000))


def test_large_outputs_are_written_in_pieces(tmp_path: Path) -> None:
    table = csv_of(tmp_path, "n\n" + "x\n" * 12)
    write_results(table, [completed(row, str(row % 10) * (9 << 20)) for row in range(12)], tmp_path, None)
    outputs = pq.ParquetFile(tmp_path / OUTPUTS)
    assert outputs.metadata.num_row_groups == 3
    assert outputs.read(["row"])["row"].to_pylist() == list(range(12))
    assert [len(text.as_py()) for text in outputs.read(["output"])["output"]] == [9 << 20] * 12


def test_input_after_the_last_record_is_not_read(tmp_path: Path) -> None:
    table = csv_of(tmp_path, "a,b\n" + "1,2\n" * 10_000 + "ragged\n")
    assert write_results(table, [completed(2)], tmp_path, None) == Written(1, 0)


def test_records_that_the_input_does_not_have(tmp_path: Path) -> None:
    table = csv_of(tmp_path, "a\n1\n")
    write_results(table, [completed(0)], tmp_path, None)
    for records in ([completed(0), failed(1)], [completed(7)]):
        with pytest.raises(StorageError, match="has no row"):
            write_results(table, records, tmp_path, None)
    assert read(tmp_path)[0].num_rows == 1
    with pytest.raises(BugError):
        write_results(table, [completed(0), completed(0)], tmp_path, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["errors.parquet", "in.csv", "outputs.parquet"]


def test_fewer_records_than_are_counted_replace_nothing(tmp_path: Path) -> None:
    """Pages of the checkpoint are damaged in such a way that SQLite does not notice it."""
    table = csv_of(tmp_path, "a\n1\n2\n3\n")
    write_results(table, [completed(0), completed(1), failed(2)], tmp_path, None, expected=Written(2, 1))
    for records in ([completed(0), failed(2)], [completed(0), completed(1)]):
        with pytest.raises(StorageError, match=r"outputs\.parquet: is left as it was: .*counts 2 completed and 1"):
            write_results(table, records, tmp_path, None, expected=Written(2, 1))
    assert [found.num_rows for found in read(tmp_path)] == [2, 1]


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """A full disk, as a limit on the size of files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_the_old_files(tmp_path: Path) -> None:
    table = csv_of(tmp_path, "a\n" + "1\n" * 5000)
    write_results(table, [completed(0), failed(1)], tmp_path, None)
    before = [(tmp_path / name).read_bytes() for name in (OUTPUTS, ERRORS)]
    for size in (0, 100, 20_000):
        with files_of_at_most(size), pytest.raises(StorageError, match=r"outputs\.parquet.*cannot be written"):
            write_results(table, [completed(row, os.urandom(64).hex()) for row in range(5000)], tmp_path, None)
    assert [(tmp_path / name).read_bytes() for name in (OUTPUTS, ERRORS)] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["errors.parquet", "in.csv", "outputs.parquet"]


def test_no_folder_to_write_to(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written: No such file"):
        write_results(csv_of(tmp_path, "a\n1\n"), [completed(0)], tmp_path / "no", None)
