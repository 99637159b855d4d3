"""The sizes of rows as they are sent, found out before their values are read.

A few bytes of a file may stand for any number of values: rows share the values of a dictionary, of a run, or of a list
view, and a list may have millions of nulls. So batches are made by what the rows take once each value is written out.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache, reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from batchrun.adapters.tables.base import BATCH_BYTES, BATCH_ROWS
from batchrun.adapters.tables.storable import encoded, spans
from batchrun.adapters.tables.storable_types import MAX_FIXED_ITEMS, is_encoded, types_within

CELL_BYTES, ITEM_BYTES = 8, 32
"""Bytes that a cell, and a value within a list, takes at least. The latter is an object of Python before it is sent."""

MAX_ROW_BYTES = MAX_FIXED_ITEMS * ITEM_BYTES
"""The largest row that is read, far larger than what can be sent in one request."""

MAX_AT_ONCE = 1_000_000
"""Items of lists that are measured at a time."""


class RowTooLargeError(Exception):
    """A row of more than `MAX_ROW_BYTES`. `row`: its number in the batch; `column`: its largest one."""

    def __init__(self, row: int, column: str) -> None:
        super().__init__(f"column {column!r}: its values take over {MAX_ROW_BYTES // 10**6} MB once they are unpacked")
        self.row = row


def pieces(read: pa.RecordBatch, positions: Sequence[int]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The rows of a batch in pieces of at most `BATCH_ROWS` and `BATCH_BYTES`, each with the number of rows before it.

    A larger row is a piece of its own. `positions`: the columns that count. Raises `RowTooLargeError`.
    """
    for begin in range(0, read.num_rows, BATCH_ROWS):
        part = read.slice(begin, BATCH_ROWS)
        varying = {
            read.schema.field(position).name: row_sizes(part.column(position))
            for position in positions
            if not _is_constant(read.schema.field(position).type)
        }
        sizes = _sum([_repeated(CELL_BYTES * len(positions), len(part)), *varying.values()]).to_pylist()
        first, total = 0, 0
        for row, size in enumerate(sizes):
            if size > MAX_ROW_BYTES:
                raise RowTooLargeError(begin + row, max(varying, key=lambda name: varying[name][row].as_py()))
            if row > first and total + size > BATCH_BYTES:
                yield begin + first, part.slice(first, row - first)
                first, total = row, 0
            total += size
        yield begin + first, part.slice(first)


def row_sizes(array: pa.Array) -> pa.Array:
    """The bytes of each value of an array, about, with everything that is nested in it."""
    data_type, count = array.type, len(array)
    if isinstance(data_type, pa.BaseExtensionType):
        return row_sizes(array.storage)
    if _is_constant(data_type):
        return _repeated(CELL_BYTES, count)
    if is_encoded(data_type):
        values, positions = encoded(array)
        if _is_text(values.type):
            return _lengths(values, positions)
        return _filled(row_sizes(values).take(positions))
    if _is_text(data_type):
        return _lengths(array, pa.array(range(count), pa.int64()))
    if types.is_union(data_type):  # which of its values a row has is not looked into
        largest = (pc.max(row_sizes(array.field(n))).as_py() or 0 for n in range(data_type.num_fields))
        return _repeated(sum(largest), count)
    if types.is_struct(data_type):
        children = (row_sizes(array.field(n)) for n in range(data_type.num_fields))
        return _sum([_repeated(CELL_BYTES, count), *children])
    return _list_sizes(array)


def _list_sizes(array: pa.Array) -> pa.Array:
    """The sizes of lists of any type, and of maps."""
    starts, ends = spans(array)
    counts = [max(0, end - start) for start, end in zip(starts, ends, strict=True)]
    own = pa.array([ITEM_BYTES * count + CELL_BYTES for count in counts], pa.int64())
    if types.is_map(array.type):
        is_constant = all(map(_is_constant, (array.type.key_type, array.type.item_type)))
    else:
        is_constant = _is_constant(array.type.value_type)
    if is_constant:
        return own
    first, last = min(starts, default=0), max(ends, default=0)
    if last - first <= MAX_AT_ONCE:
        before = pc.cumulative_sum(row_sizes(array.values.slice(first, max(0, last - first))))
        before = pa.concat_arrays([pa.array([0], pa.int64()), before])
        found = [before.take(pa.array([place - first for place in places], pa.int64())) for places in (starts, ends)]
        return pc.add(own, pc.subtract(found[1], found[0]))
    largest = MAX_ROW_BYTES // ITEM_BYTES
    inner = (
        pc.sum(row_sizes(array.values.slice(start, count))).as_py() if 0 < count <= largest else 0
        for start, count in zip(starts, counts, strict=True)
    )
    return pc.add(own, pa.array(inner, pa.int64()))


def _lengths(texts: pa.Array, positions: pa.Array) -> pa.Array:
    """The bytes of the texts at these positions. No text is copied: it may be long, and the same for all positions."""
    width = pa.int64() if types.is_large_string(texts.type) or types.is_large_binary(texts.type) else pa.int32()
    buffer, begin, positions = texts.buffers()[1], texts.offset, positions.cast(pa.int64())
    if not len(texts) or buffer is None:
        return _repeated(CELL_BYTES, len(positions))
    if types.is_string_view(texts.type) or types.is_binary_view(
        texts.type
    ):  # 16 bytes each; the first 4 are the length
        numbers = pa.Array.from_buffers(pa.int32(), 4 * len(texts), [None, buffer], offset=4 * begin)
        found = numbers.take(pc.multiply(positions, 4))
    else:
        offsets = pa.Array.from_buffers(width, len(texts) + 1, [None, buffer], offset=begin)
        found = pc.subtract(offsets.take(pc.add(positions, 1)), offsets.take(positions))
    return pc.add(_filled(found.cast(pa.int64())), CELL_BYTES)


@lru_cache(maxsize=1024)
def _is_constant(data_type: pa.DataType) -> bool:
    """Whether all values take about the same few bytes."""
    return not any(types.is_nested(one) or is_encoded(one) or _is_text(one) for one in types_within(data_type))


def _is_text(data_type: pa.DataType) -> bool:
    return any(is_text(data_type) for is_text in _TEXTS)


_TEXTS = (
    types.is_string, types.is_large_string, types.is_string_view,
    types.is_binary, types.is_large_binary, types.is_binary_view,
)  # fmt: skip


def _repeated(size: int, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(size, pa.int64()), count)


def _filled(sizes: pa.Array) -> pa.Array:
    return pc.fill_null(sizes, CELL_BYTES)


def _sum(sizes: Sequence[pa.Array]) -> pa.Array:
    return reduce(pc.add, sizes)
