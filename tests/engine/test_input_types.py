"""Results are written for all input types, and can be sent again with the same values."""

from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from itertools import product
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from batchrun.adapters.tables import Source, open_table
from batchrun.adapters.tables.footer import ResultsFooter
from batchrun.adapters.tables.storable_types import types_within
from batchrun.app.check import check
from batchrun.app.export import export
from batchrun.app.head import head
from batchrun.errors import InputError
from batchrun.job import build_job
from tests.adapters.sent import inputs, opened
from tests.support.arrow_types import CONTAINERS, leaf_array, nested_columns
from tests.support.rehearsal import Rehearsal


def _file(path: Path, table: pa.Table, rows: int = 2) -> None:
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)


def _stream(path: Path, table: pa.Table) -> None:
    with ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


def _parquet(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, row_group_size=2)


def _folder(path: Path, table: pa.Table) -> None:
    path.mkdir()
    pq.write_table(table.slice(0, 1), path / "part-0.parquet")
    pq.write_table(table.slice(1), path / "part-1.parquet")


LAYOUTS: Mapping[str, Callable[[Path, pa.Table], None]] = {
    "in.arrow": _file,
    "in.feather": _stream,
    "in.parquet": _parquet,
    "folder": _folder,
}


def _columns(columns: Iterable[tuple[str, pa.Array]], layout: str, folder: Path) -> pa.Table:
    """A table of the columns that pyarrow can write in this layout and read again."""
    held = {}
    for number, (name, array) in enumerate(columns):
        path = folder / f"{number}.{layout}"
        try:
            LAYOUTS[layout](path, pa.table({name: array}))
            if layout in {"in.parquet", "folder"}:
                pq.read_table(path)
            else:
                with (ipc.open_file if layout == "in.arrow" else ipc.open_stream)(path) as reader:
                    if reader.read_all().schema.field(0).type != array.type:
                        continue
        except (pa.ArrowException, NotImplementedError, OSError):
            continue
        held[name] = array
    return pa.table({"id": [0, 1, 2]} | held)


def _run(folder: Path, path: Path, completed: int = 2) -> Rehearsal:
    """A job whose first row is completed and whose second row fails, without columns that cannot be sent."""
    rehearsal = Rehearsal(folder, 0, "fault=fail:id=1", "duration=1")
    rehearsal.options |= {"input": path, "skip": list(open_table(Source(path)).unsendable)}
    summary = rehearsal.run()
    assert (summary.completed, summary.failed, summary.exit_code) == (completed, 1, 3)
    return rehearsal


def _is_unknown_to_parquet(kind: pa.DataType) -> bool:
    """Whether values of this type are written as JSON text."""
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        # A non-nullable field becomes null if a dictionary has no value for a row.
        structs = filter(pa.types.is_struct, types_within(kind))
        return _is_unknown_to_parquet(kind.value_type) or any(
            not field.nullable for inner in structs for field in inner
        )
    if pa.types.is_map(kind):
        return _is_unknown_to_parquet(kind.key_type) or _is_unknown_to_parquet(kind.item_type)
    inner = [kind.field(place).type for place in range(kind.num_fields)] if pa.types.is_nested(kind) else []
    if pa.types.is_union(kind) or pa.types.is_interval(kind) or (pa.types.is_struct(kind) and not inner):
        return True
    return any(map(_is_unknown_to_parquet, inner))


def _comes_back_from_parquet(column: pa.ChunkedArray) -> bool:
    """Whether this version of pyarrow reads it as it writes it."""
    file = BytesIO()
    try:
        pq.write_table(pa.table([column], ["x"]), file)
        return bool(pq.ParquetFile(file).read()["x"].equals(column))
    except (pa.ArrowException, NotImplementedError, OSError):
        return False


def _refuse_differences(rehearsal: Rehearsal, source: pa.Table) -> None:
    """The rows in both files have the values of the input, and sending them again gives the same inputs."""
    sent = {rehearsal.row_of(body): rehearsal.inputs_of(body) for _, body in rehearsal.posts()}
    for name, rows in (("outputs.parquet", [0, 2]), ("errors.parquet", [1])):
        found = pq.read_table(rehearsal.folder / "job" / name)
        as_json = ResultsFooter.of(found.schema).restore.kinds
        unknown = {field.name for field in source.schema if _is_unknown_to_parquet(field.type)}
        assert unknown <= set(as_json)
        assert not [name for name in set(as_json) - unknown if _comes_back_from_parquet(source[name])]
        assert found["row"].to_pylist() == rows
        for column in source.column_names:
            expected = [source[column][row].as_py() for row in rows]
            assert column in as_json or found[column].to_pylist() == expected, column
        again = opened(rehearsal.folder / "job" / name)
        assert inputs(again, rehearsal.options["skip"]) == [sent[row] for row in rows]


@pytest.mark.parametrize(
    ("container", "layout"),
    [
        *product(CONTAINERS, ("in.arrow", "in.parquet")),
        *product(("alone", "struct", "dictionary_of_null"), ("in.feather", "folder")),
    ],
)
def test_rows_of_every_type_are_written(tmp_path: Path, container: str, layout: str) -> None:
    source = _columns(nested_columns(container), layout, tmp_path)
    LAYOUTS[layout](tmp_path / layout, source)
    _refuse_differences(_run(tmp_path, tmp_path / layout), source)


@pytest.mark.parametrize("outer", CONTAINERS)
def test_rows_of_types_two_levels_deep_are_written(tmp_path: Path, outer: str) -> None:
    kinds = (pa.string_view(), pa.timestamp("s"), pa.month_day_nano_interval())
    inner = {
        f"{container} {kind}": within(leaf_array(kind)) for kind in kinds for container, within in CONTAINERS.items()
    }
    if outer == "map_key":
        inner = {name: array for name, array in inner.items() if array[2].as_py() is not None}
    source = _columns(((name, CONTAINERS[outer](array)) for name, array in inner.items()), "in.arrow", tmp_path)
    assert source.num_columns > 1
    _file(tmp_path / "in.arrow", source)
    _refuse_differences(_run(tmp_path, tmp_path / "in.arrow"), source)


def test_a_file_whose_columns_have_no_type_takes_those_of_the_others(tmp_path: Path) -> None:
    source = _columns(nested_columns("alone"), "in.parquet", tmp_path)
    folder = tmp_path / "data"
    folder.mkdir()
    pq.write_table(
        pa.table({name: pa.nulls(1) for name in source.column_names} | {"id": [7]}), folder / "part-0.parquet"
    )
    pq.write_table(source, folder / "part-1.parquet")
    rehearsal = _run(tmp_path, folder, completed=3)
    assert len(rehearsal.options["skip"]) == 4
    found = pq.read_table(tmp_path / "job" / "outputs.parquet")
    for column in set(source.column_names) - {"id"}:
        assert found[column].to_pylist() == [None, source[column][0].as_py(), source[column][2].as_py()], column


REFUSED = {
    "a time beyond all milliseconds": (pa.array([2**62] * 3, pa.timestamp("s")), "out of bounds"),
    "in a list": (pa.array([[], [2**62], []], pa.list_(pa.timestamp("s"))), "out of bounds"),
    "text that is not UTF-8": (
        pa.Array.from_buffers(pa.string(), 3, pa.array([b"a", b"\xff", b""]).buffers()),
        "rows 0 to 1 hold text that is not UTF-8",
    ),
    "binary within a union": (CONTAINERS["dense_union"](leaf_array(pa.binary_view())), "binary data"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_types_that_cannot_be_sent_or_written_are_refused_before_the_first_request(tmp_path: Path, name: str) -> None:
    array, message = REFUSED[name]
    _file(tmp_path / "in.arrow", pa.table({"id": [0, 1, 2], "x": array}))
    rehearsal = Rehearsal(tmp_path, 0)
    rehearsal.options["input"] = tmp_path / "in.arrow"
    with pytest.raises(InputError, match=message) as checked:
        check(build_job(rehearsal.options), "token")
    with pytest.raises(InputError) as refused:
        rehearsal.run()
    assert refused.value.problems == checked.value.problems
    assert not rehearsal.requests


@pytest.mark.parametrize("container", CONTAINERS)
def test_all_columns_of_binary_values_are_reported_together(tmp_path: Path, container: str) -> None:
    _file(tmp_path / "in.arrow", _columns(nested_columns(container), "in.arrow", tmp_path))
    unsendable = open_table(Source(tmp_path / "in.arrow")).unsendable
    assert {name for name in unsendable if "binary" in name} == set(unsendable)
    assert len(unsendable) == 4
    rehearsal = Rehearsal(tmp_path, 0)
    with pytest.raises(InputError) as refused:
        rehearsal.run(input=tmp_path / "in.arrow")
    assert len(refused.value.problems) == 4
    assert not rehearsal.requests


def test_rows_of_a_long_union_keep_their_values(tmp_path: Path) -> None:
    rows = range(2000)
    texts, numbers = [f"text {row}" for row in rows], list(rows)
    chosen = [row * row % 7 % 2 for row in rows]
    expected = [numbers[row] if code else texts[row] for row, code in zip(rows, chosen, strict=True)]
    codes, places = pa.array(chosen, pa.int8()), pa.array(rows, pa.int32())
    for name, array in {
        "dense": pa.UnionArray.from_dense(codes, places, [pa.array(texts), pa.array(numbers)]),
        "sparse": pa.UnionArray.from_sparse(codes, [pa.array(texts), pa.array(numbers)]),
    }.items():
        _file(tmp_path / f"{name}.arrow", pa.table({"x": array}), len(array))
        assert [row["x"] for row in inputs(opened(tmp_path / f"{name}.arrow"))] == expected


def test_the_first_rows_and_an_export_have_every_type_too(tmp_path: Path) -> None:
    source = _columns(nested_columns("struct"), "in.arrow", tmp_path)
    _file(tmp_path / "in.arrow", source)
    rehearsal = _run(tmp_path, tmp_path / "in.arrow")
    export(tmp_path / "job", tmp_path / "there")
    for errors, name in ((False, "outputs.parquet"), (True, "errors.parquet")):
        written = pq.read_table(tmp_path / "job" / name)
        assert pq.read_table(tmp_path / "there" / name).equals(written)
        assert head(tmp_path / "job", errors=errors).equals(written)
    assert len(rehearsal.posts()) == 3


def test_nan_in_a_union_cannot_be_sent(tmp_path: Path) -> None:
    numbers = pa.array([1.5, float("nan"), 2.5])
    union = pa.UnionArray.from_sparse(pa.array([0, 0, 0], pa.int8()), [numbers, pa.array(["a", "b", "c"])])
    _file(tmp_path / "in.arrow", pa.table({"id": [0, 1, 2], "x": union}))
    rehearsal = Rehearsal(tmp_path, 0, "duration=1")
    rehearsal.options["input"] = tmp_path / "in.arrow"
    assert [row.row for row in check(build_job(rehearsal.options), "token").unsendable] == [1]
    summary = rehearsal.run()
    assert (summary.completed, summary.errors_by_kind) == (2, {"input": 1})
    assert rehearsal.errors()[1]["x"] == "NaN"
    (again,) = inputs(opened(tmp_path / "job" / "errors.parquet"))
    assert again.startswith("cannot be sent: input 'x'")
