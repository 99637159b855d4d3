"""Arrow files, and several Parquet files as one input."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather, ipc

from batchrun.adapters.tables import Source, Table, inspect, open_table
from batchrun.domain.states import State
from batchrun.errors import InputError
from tests.adapters.sent import inputs, opened, results


def refusal(path: Path, **options: Any) -> list[str]:
    with pytest.raises(InputError) as caught:
        opened(path, **options)
    return list(caught.value.problems)


def arrow_of(path: Path, table: pa.Table, *, stream: bool = False, rows: int | None = None) -> Path:
    writer = ipc.new_stream(path, table.schema) if stream else ipc.new_file(path, table.schema)
    with writer:
        writer.write_table(table, max_chunksize=rows)
    return path


NUMBERS = pa.table({"n": range(5000), "t": [f"text {n}" for n in range(5000)]})


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("rows", [None, 700])
def test_a_file_and_a_stream_in_chunks_of_any_size(tmp_path: Path, stream: bool, rows: int | None) -> None:
    table = opened(arrow_of(tmp_path / "in.arrow", NUMBERS, stream=stream, rows=rows))
    for start in (0, 699, 700, 1024, 4999, 5000):
        found = [batch.arrow() for batch in table.batches(start)]
        assert pa.Table.from_batches(found, NUMBERS.schema).equals(NUMBERS.slice(start))
        assert [batch.start for batch in table.batches(start)][:1] == ([start] if start < 5000 else [])


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
def test_feather(tmp_path: Path, compression: str) -> None:
    feather.write_feather(NUMBERS, tmp_path / "in.feather", compression=compression)
    assert [row["n"] for row in inputs(opened(tmp_path / "in.feather"))] == list(range(5000))


def test_types_that_parquet_has_not_are_sent_and_carried_as_json(tmp_path: Path) -> None:
    union = pa.UnionArray.from_dense(
        pa.array([0, 1, 0], pa.int8()), pa.array([0, 0, 1], pa.int32()), [pa.array([1, 2]), pa.array(["a"])]
    )
    source = pa.table(
        {
            "runs": pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array(["x", None])),
            "union": union,
            "empty": pa.array([{}, None, {}], pa.struct([])),
            "view": pa.array(["a", None, ""], pa.string_view()),
            "list": pa.array([[1], None, []], pa.list_view(pa.int64())),
            "flag": pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, None], pa.int8())),
        }
    )
    table = opened(arrow_of(tmp_path / "in.arrow", source))
    expected = [
        {"runs": "x", "union": 1, "empty": {}, "view": "a", "list": [1], "flag": True},
        {"runs": "x", "union": "a", "empty": None, "view": None, "list": None, "flag": False},
        {"runs": None, "union": 2, "empty": {}, "view": "", "list": [], "flag": None},
    ]
    assert inputs(table) == expected
    path, found = results(table, tmp_path, State.FAILED)
    assert found["union"].to_pylist() == ["1", '"a"', "2"]
    assert inputs(opened(path)) == expected


def test_what_is_no_arrow_file(tmp_path: Path) -> None:
    path = tmp_path / "in.arrow"
    for content in (b"", b"ARROW1", b"ARROW1\0\0" + b"x" * 100, b"FEA1....FEA1"):
        path.write_bytes(content)
        (problem,) = refusal(path)
        assert problem.startswith(f"{path}: ")
        assert "damaged" in problem or "version 1" in problem
    arrow_of(path, NUMBERS)
    path.write_bytes(path.read_bytes()[:-200])
    assert "damaged" in refusal(path)[0]
    assert "--delimiter" in refusal(arrow_of(path, NUMBERS), delimiter=";")[0]


def parts(folder: Path, *tables: pa.Table) -> Path:
    folder.mkdir(exist_ok=True)
    for number, table in enumerate(tables):
        pq.write_table(table, folder / f"part-{number}.parquet")
    return folder


def test_a_folder_and_a_glob_are_one_input_in_name_order(tmp_path: Path) -> None:
    folder = parts(tmp_path / "data", NUMBERS.slice(0, 1000), NUMBERS.slice(1000, 0), NUMBERS.slice(1000))
    (folder / "_metadata.parquet").write_text("not ours")
    (folder / "notes.txt").write_text("not Parquet")
    for path in (folder, folder / "*[0-9].parquet", tmp_path / "**" / "part-*"):
        table = opened(path)
        assert [row["n"] for row in inputs(table)] == list(range(5000))
        for start in (0, 999, 1000, 4000, 5000):
            batches = list(table.batches(start))
            assert pa.Table.from_batches([batch.arrow() for batch in batches], NUMBERS.schema).equals(
                NUMBERS.slice(start)
            )
    whole = tmp_path / "whole.parquet"
    pq.write_table(NUMBERS, whole)
    assert fingerprint(opened(folder)) == fingerprint(opened(whole))


def fingerprint(table: Table) -> object:
    return inspect(table, None, None).fingerprint


def test_columns_agree_by_name_whatever_their_order_and_a_file_without_values_has_no_say(tmp_path: Path) -> None:
    folder = parts(
        tmp_path / "data",
        pa.table({"a": pa.nulls(1), "b": pa.array(["x"]).dictionary_encode()}),
        pa.table({"b": ["y"], "a": [2]}),
        pa.table({"a": [None], "b": pa.array(["z"]).cast(pa.dictionary(pa.int8(), pa.string()))}),
    )
    table = opened(folder)
    assert inputs(table) == [{"a": None, "b": "x"}, {"a": 2, "b": "y"}, {"a": None, "b": "z"}]
    _, found = results(table, tmp_path)
    assert found.select(["a", "b"]).to_pydict() == {"a": [None, 2, None], "b": ["x", "y", "z"]}


def test_files_that_do_not_go_together_are_named(tmp_path: Path) -> None:
    folder = parts(
        tmp_path / "data",
        pa.table({"a": [1], "b": ["x"]}),
        pa.table({"a": [1.5], "b": ["x"]}),
        pa.table({"a": [1], "c": ["x"]}),
    )
    problems = refusal(folder)
    assert "part-1.parquet: column 'a' is double, but in other files int64" in problems[0]
    assert "part-2.parquet: has no column 'b'" in problems[1]
    assert "part-2.parquet: has a column 'c'" in problems[2]
    (folder / "part-1.parquet").write_bytes(b"PAR1damaged")
    assert "part-1.parquet: is not a Parquet file" in refusal(folder)[0]


def test_a_file_more_or_another_file_is_another_stamp(tmp_path: Path) -> None:
    folder = parts(tmp_path / "data", NUMBERS, NUMBERS)
    table = opened(folder)
    batches = table.batches()
    next(batches)
    pq.write_table(NUMBERS, folder / "part-2.parquet")
    assert opened(folder).stamp != table.stamp
    assert sum(map(len, batches)) + len(next(table.batches())) == 2 * len(NUMBERS)
    assert inspect(opened(folder), None, inspect(table_of(folder, 2), None, None).fingerprint).prefix_matches


def table_of(folder: Path, files: int) -> Table:
    """The first files only."""
    return open_table(Source(folder / f"part-[0-{files - 1}].parquet"))
