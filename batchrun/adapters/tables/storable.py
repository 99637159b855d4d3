"""Conversion of arrays to types that can be sent and written to the results.

Parquet, or some functions of Arrow, do not support views, run-end encoding, and dictionaries of other values than text.
They are converted to the plain types, at any depth. Types that Parquet cannot store at all (unions, intervals, structs
without fields) are not converted here; the results contain them as JSON text.
"""

from collections.abc import Sequence
from itertools import accumulate
from operator import add, sub

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from batchrun.adapters.tables.storable_types import (
    TEXTS,
    is_encoded,
    is_list_view,
    is_storable,
    is_text_dictionary,
    is_without_items,
    storable_type,
)


def storable(array: pa.Array) -> pa.Array:
    """The same values in an array of `storable_type`.

    Raises ArrowInvalid for a time in seconds that is out of range in milliseconds.
    """
    data_type = array.type
    if is_storable(data_type) or (is_text_dictionary(data_type) and _is_plain_text(array.dictionary)):
        return array
    wanted = storable_type(data_type)
    if isinstance(data_type, pa.BaseExtensionType):
        storage = storable(array.storage)
        return pa.ExtensionArray.from_storage(data_type, storage) if wanted == data_type else storage
    if is_text_dictionary(data_type):
        return _dictionary(array, wanted)
    if is_encoded(data_type):
        return decoded(array)
    if types.is_struct(data_type):
        children = [storable(array.field(position)) for position in range(data_type.num_fields)]
        return pa.StructArray.from_arrays(children, fields=list(wanted), mask=array.is_null())
    if types.is_nested(data_type):
        return _list(array, wanted)
    # Cast in two steps, which rounds dates down to whole days, as they are sent.
    return array.cast(pa.timestamp("ms")).cast(wanted) if types.is_date64(data_type) else array.cast(wanted)


def decoded(array: pa.Array) -> pa.Array:
    """Expand an array that is a dictionary or run-end encoded to one value per row."""
    values, positions = encoded(array)
    return storable(values).take(positions)


def encoded(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The values of an array that is a dictionary or run-end encoded, and the position of each row's value in them."""
    if types.is_dictionary(array.type):
        return array.dictionary, array.indices
    first, count = array.find_physical_offset(), array.find_physical_length()
    positions, row, until = list[int](), array.offset, array.offset + len(array)
    for position, end in enumerate(array.run_ends.slice(first, count).to_pylist()):
        positions += [position] * (min(end, until) - row)
        row = end
    return array.values.slice(first, count), pa.array(positions, pa.int64())


def _is_plain_text(values: pa.Array) -> bool:
    """Whether Parquet can store them unchanged as the values of a dictionary."""
    return values.type in TEXTS and not values.null_count


def _dictionary(array: pa.DictionaryArray, wanted: pa.DataType) -> pa.Array:
    indices, values = array.indices, storable(array.dictionary)
    if values.null_count:
        plain = values.take(indices).dictionary_encode()
        indices, values = plain.indices.cast(wanted.index_type), plain.dictionary
    return pa.DictionaryArray.from_arrays(indices, values, ordered=wanted.ordered)


def _list(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Convert any type of list, or a map."""
    data_type, null = array.type, array.is_null()
    starts, ends = spans(array)
    first, last = min(starts, default=0), max(ends, default=0)
    items = storable(array.values.slice(first, last - first))
    if types.is_fixed_size_list(wanted):
        return pa.FixedSizeListArray.from_arrays(items, type=wanted, mask=null)
    if is_list_view(data_type) or is_without_items(data_type):
        positions = [
            position - first for start, end in zip(starts, ends, strict=True) for position in range(start, end)
        ]
        items = items.take(pa.array(positions, pa.int64()))
        width = pa.int64() if types.is_large_list(wanted) else pa.int32()
        offsets = pa.array(accumulate(map(sub, ends, starts), initial=0), width)
    else:
        offsets = pc.subtract(array.offsets, pa.scalar(first, array.offsets.type))
    if types.is_map(data_type):
        return pa.MapArray.from_arrays(offsets, items.field(0), items.field(1), type=wanted, mask=null)
    list_class = pa.LargeListArray if types.is_large_list(wanted) else pa.ListArray
    return list_class.from_arrays(offsets, items, type=wanted, mask=null)


def spans(array: pa.Array) -> tuple[Sequence[int], Sequence[int]]:
    """The start and end of each list's items in `values`. (Arrow's casts of sliced views give wrong results.)"""
    data_type = array.type
    if types.is_fixed_size_list(data_type):
        size = data_type.list_size
        starts = range(array.offset * size, (array.offset + len(array)) * size, size) if size else [0] * len(array)
        return starts, [start + size for start in starts]
    offsets = array.offsets.to_pylist()
    if is_list_view(data_type):
        return offsets, list(map(add, offsets, array.sizes.to_pylist()))
    return offsets[:-1], offsets[1:]
