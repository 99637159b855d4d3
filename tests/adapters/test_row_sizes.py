"""Files whose rows are far larger once their values are written out than they are in the file."""

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import ipc

from batchrun.adapters.tables import Source, inspect, open_table
from batchrun.adapters.tables.base import BATCH_BYTES
from batchrun.adapters.tables.row_sizes import row_sizes
from batchrun.adapters.tables.storable_types import holds_union
from batchrun.errors import InputError
from tests.support.arrow_types import CONTAINERS, nested_columns

LONG = "x" * (BATCH_BYTES // 2 - 1000)
"""Two rows of it are a batch."""
ROWS = 9


def views(array: pa.Array) -> pa.Array:
    """Lists that all share the same items."""
    return pa.ListViewArray.from_arrays(
        pa.array([0] * ROWS, pa.int32()), pa.array([len(array)] * ROWS, pa.int32()), array
    )


def shared_views() -> pa.Array:
    """Texts that share their characters. Each is stored as its length, four characters, a buffer, and a place there."""
    one = len(LONG).to_bytes(4, "little") + b"xxxx" + bytes(8)
    buffers = [None, pa.py_buffer(one * ROWS), pa.py_buffer(LONG.encode())]
    return pa.Array.from_buffers(pa.string_view(), ROWS, buffers)


SHARED = {
    "dictionary": pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int8()), pa.array([LONG])),
    "dictionary of large text": pa.DictionaryArray.from_arrays(
        pa.array([1] * ROWS, pa.int8()), pa.array(["", LONG], pa.large_string())
    ),
    "run": pa.RunEndEncodedArray.from_arrays(pa.array([ROWS], pa.int32()), pa.array([LONG])),
    "list view": views(pa.array([LONG])),
    "text view": shared_views(),
    "within a struct": pa.StructArray.from_arrays(
        [pa.DictionaryArray.from_arrays(pa.array([0] * ROWS, pa.int8()), pa.array([LONG]))], ["a"]
    ),
}


def arrow_file(path: Path, array: pa.Array) -> Path:
    table = pa.table({"id": range(len(array)), "x": array})
    with ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)
    return path


def batch_lengths(path: Path) -> list[int]:
    return [len(batch) for batch in open_table(Source(path)).batches()]


@pytest.mark.parametrize("name", SHARED)
def test_rows_that_share_a_long_value_come_in_small_batches(tmp_path: Path, name: str) -> None:
    assert batch_lengths(arrow_file(tmp_path / "in.arrow", SHARED[name])) == [2, 2, 2, 2, 1]


def test_rows_of_a_parquet_file_that_share_a_long_value(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": range(ROWS), "x": SHARED["dictionary"]}), tmp_path / "in.parquet")
    assert batch_lengths(tmp_path / "in.parquet") == [2, 2, 2, 2, 1]


def test_long_rows_after_many_short_ones_are_not_read_together(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": ["short"] * 400 + [LONG] * 5}), tmp_path / "in.parquet")
    sizes = [
        sum(len(str(text)) for (text,) in batch.values(["x"]))
        for batch in open_table(Source(tmp_path / "in.parquet")).batches()
    ]
    assert len(sizes) == 3
    assert max(sizes) <= BATCH_BYTES


def nulls(count: int, data_type: pa.DataType) -> pa.Array:
    """A row with few items, and one with so many nulls."""
    return pa.ListArray.from_arrays(pa.array([0, 1, count + 1], pa.int32()), pa.nulls(count + 1, data_type))


TOO_LARGE = {
    "nulls": nulls(11_000_000, pa.null()),
    "a text that is repeated": pa.ListArray.from_arrays(
        pa.array([0, 1, 101], pa.int32()),
        pa.DictionaryArray.from_arrays(pa.array([0] * 101, pa.int8()), pa.array([LONG])),
    ),
}


@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_row_that_is_too_large_is_named(tmp_path: Path, name: str) -> None:
    path = arrow_file(tmp_path / "in.arrow", TOO_LARGE[name])
    with pytest.raises(InputError) as caught:
        inspect(open_table(Source(path)), None, None)
    assert caught.value.problems == (f"{path}: row 1: column 'x': its values take over 320 MB once they are unpacked",)


def all_columns() -> Iterator[pa.Array]:
    for container in CONTAINERS:
        for _, array in nested_columns(container):
            yield array


def test_the_sizes_of_all_types() -> None:
    for array in all_columns():
        sizes = row_sizes(array)
        assert (len(sizes), sizes.type, sizes.null_count) == (len(array), pa.int64(), 0), array.type
        if not holds_union(array.type):  # all values of a union count as large as its largest one
            assert row_sizes(array.slice(1, 2)).to_pylist() == sizes.to_pylist()[1:], array.type


def test_the_size_of_a_row_is_at_least_that_of_its_text() -> None:
    sink = io.BytesIO()
    table = pa.table({"x": [["a" * 1000, "b"], [], None, ["c" * 50_000]], "y": [{"a": "d" * 70}] * 4})
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    (read,) = ipc.open_stream(sink.getvalue())
    for name, least in {"x": [1001, 0, 0, 50_000], "y": [70] * 4}.items():
        sizes = row_sizes(read.column(name)).to_pylist()
        assert all(low <= size <= low + 100 for low, size in zip(least, sizes, strict=True)), name
