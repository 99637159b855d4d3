"""Files with columns of every type that Arrow knows, and files that unpack to far more than their size."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import ipc

from batchrun.adapters.tables.sendable_types import why_unsendable
from tests.harness.hostile.case import WIDE, Case
from tests.harness.hostile.trial import MEMORY, SECONDS
from tests.support.arrow_types import nested_columns

FORMATS = ("parquet", "arrow", "feather")
"""Suffixes. `.feather` is a stream here."""


def _write(path: Path, table: pa.Table) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path)
        return
    with (ipc.new_file if path.suffix == ".arrow" else ipc.new_stream)(path, table.schema) as writer:
        writer.write_table(table)


def _read(path: Path) -> None:
    if path.suffix == ".parquet":
        pq.read_table(path)
    else:
        (ipc.open_file if path.suffix == ".arrow" else ipc.open_stream)(path.read_bytes()).read_all()


def write_types(path: Path, container: str) -> tuple[int, list[str]]:
    """Write three rows with a column of each type nested in the container, as far as pyarrow writes and reads it.

    Returns the number of the columns, and the names of those that cannot be sent.
    """
    columns: dict[str, pa.Array] = {"id": pa.array([1, 2, 3])}
    for name, array in nested_columns(container):
        try:
            _write(path, pa.table({name: array}))
            _read(path)
        except (pa.ArrowException, NotImplementedError, OSError):
            continue
        columns[name] = array
    _write(path, pa.table(columns))
    return len(columns), [name for name, array in columns.items() if why_unsendable(array.type) is not None]


BIG = 10 << 20
"""Characters of a text that many rows share."""


def _shared(rows: int) -> pa.Table:
    array = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * BIG]))
    return pa.table({"id": range(rows), "x": array})


def _run(rows: int) -> pa.Table:
    array = pa.RunEndEncodedArray.from_arrays(pa.array([rows], pa.int32()), pa.array(["x" * BIG]))
    return pa.table({"id": range(rows), "x": array})


def _views(rows: int) -> pa.Table:
    starts, sizes = pa.array([0] * rows, pa.int32()), pa.array([1] * rows, pa.int32())
    array = pa.ListViewArray.from_arrays(starts, sizes, pa.array(["x" * BIG]))
    return pa.table({"id": range(rows), "x": array})


def _list(items: int) -> pa.Table:
    offsets = pa.array([0, 1, items + 1], pa.int32())
    return pa.table({"id": [0, 1], "x": pa.ListArray.from_arrays(offsets, pa.nulls(items + 1, pa.int8()))})


def _list_of_shared() -> pa.Table:
    array = pa.DictionaryArray.from_arrays(pa.array([0] * 101, pa.int8()), pa.array(["x" * BIG]))
    return pa.table({"id": [0, 1], "x": pa.ListArray.from_arrays(pa.array([0, 1, 101], pa.int32()), array)})


def _columns() -> pa.Table:
    return pa.table({f"c{number}": [1, 2] for number in range(WIDE)})


def _case(
    name: str,
    make: Callable[[], pa.Table],
    rows: int | None,
    *says: str,
    unsent: int = 0,
    memory: int = MEMORY,
    seconds: int = SECONDS,
) -> Case:
    def contents() -> bytes:
        sink, table = pa.BufferOutputStream(), make()
        if name.endswith("parquet"):
            pq.write_table(table, sink, compression="zstd")
        else:
            with ipc.new_file(sink, table.schema, options=ipc.IpcWriteOptions(compression="zstd")) as writer:
                writer.write_table(table)
        return bytes(sink.getvalue())

    return Case(name, contents, rows, says, unsent, memory=memory, seconds=seconds, is_sent=False)


UNPACKED: Mapping[str, Case] = {
    "100 rows that share a text of 10 MB, Parquet": _case("rows.parquet", lambda: _shared(100), 100),
    "100 rows that share a text of 10 MB, Arrow": _case("rows.arrow", lambda: _shared(100), 100),
    "100 rows in a run of a text of 10 MB": _case("rows.arrow", lambda: _run(100), 100),
    "100 lists that share a text of 10 MB": _case("rows.arrow", lambda: _views(100), 100),
    "a list of 2 million nulls": _case(
        "rows.parquet", lambda: _list(2_000_000), 2, memory=4 * MEMORY
    ),
    "a list of 50 million nulls, Parquet": _case(
        "rows.parquet", lambda: _list(50_000_000), None, "row 1", "'x'", memory=4 * MEMORY
    ),
    "a list of 50 million nulls, Arrow": _case("rows.arrow", lambda: _list(50_000_000), None, "row 1", "'x'"),
    "a list of 100 times the same text of 10 MB": _case("rows.arrow", _list_of_shared, None, "row 1", "'x'"),
    "2 million rows of nulls": _case(
        "rows.parquet", lambda: pa.table({"x": pa.nulls(2_000_000, pa.int32())}), 2_000_000
    ),
    "10,000 columns, Parquet": _case("rows.parquet", _columns, 2, seconds=20),
    "10,000 columns, Arrow": _case("rows.arrow", _columns, 2, seconds=20),
}  # fmt: skip
"""Files that unpack to far more than their size, and wide ones, by what they hold."""
