"""Arrays of the types of an input's file, made arrays of types that can be sent and written wherever their values can.

Views, run-end encoding, and dictionaries of anything but text are layouts that Parquet does not hold, or that Arrow's
functions do not support everywhere. They become their plain types, however deep they stand in other types. Types that
Parquet does not hold at all (unions, intervals, structs without fields) stay as they are; the results have them as
JSON text.
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

    Raises ArrowInvalid for a time that the type cannot hold: one in seconds beyond all milliseconds.
    """
    kind = array.type
    if is_storable(kind) or (is_text_dictionary(kind) and _is_plain_text(array.dictionary)):
        return array
    wanted = storable_type(kind)
    if isinstance(kind, pa.BaseExtensionType):
        storage = storable(array.storage)
        return pa.ExtensionArray.from_storage(kind, storage) if wanted == kind else storage
    if is_text_dictionary(kind):
        return _dictionary(array, wanted)
    if is_encoded(kind):
        return decoded(array)
    if types.is_struct(kind):
        children = [storable(array.field(place)) for place in range(kind.num_fields)]
        return pa.StructArray.from_arrays(children, fields=list(wanted), mask=array.is_null())
    if types.is_nested(kind):
        return _list(array, wanted)
    # In two steps, as dates that are no whole days are rounded down then: so they are sent.
    return array.cast(pa.timestamp("ms")).cast(wanted) if types.is_date64(kind) else array.cast(wanted)


def decoded(array: pa.Array) -> pa.Array:
    """The values of an array that is a dictionary or run-end encoded, one for each row."""
    values, places = encoded(array)
    return storable(values).take(places)


def encoded(array: pa.Array) -> tuple[pa.Array, pa.Array]:
    """The values of an array that is a dictionary or run-end encoded, and for each row the place of its own there."""
    if types.is_dictionary(array.type):
        return array.dictionary, array.indices
    first, count = array.find_physical_offset(), array.find_physical_length()
    places, row, until = list[int](), array.offset, array.offset + len(array)
    for place, end in enumerate(array.run_ends.slice(first, count).to_pylist()):
        places += [place] * (min(end, until) - row)
        row = end
    return array.values.slice(first, count), pa.array(places, pa.int64())


def _is_plain_text(values: pa.Array) -> bool:
    """Whether Parquet can hold them as they are as the values of a dictionary."""
    return values.type in TEXTS and not values.null_count


def _dictionary(array: pa.DictionaryArray, wanted: pa.DataType) -> pa.Array:
    indices, values = array.indices, storable(array.dictionary)
    if values.null_count:
        plain = values.take(indices).dictionary_encode()
        indices, values = plain.indices.cast(wanted.index_type), plain.dictionary
    return pa.DictionaryArray.from_arrays(indices, values, ordered=wanted.ordered)


def _list(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    """Any sort of list, a map among them."""
    kind, null = array.type, array.is_null()
    starts, ends = spans(array)
    first, last = min(starts, default=0), max(ends, default=0)
    items = storable(array.values.slice(first, last - first))
    if types.is_fixed_size_list(wanted):
        return pa.FixedSizeListArray.from_arrays(items, type=wanted, mask=null)
    if is_list_view(kind) or is_without_items(kind):
        places = [place - first for start, end in zip(starts, ends, strict=True) for place in range(start, end)]
        items = items.take(pa.array(places, pa.int64()))
        width = pa.int64() if types.is_large_list(wanted) else pa.int32()
        offsets = pa.array(accumulate(map(sub, ends, starts), initial=0), width)
    else:
        offsets = pc.subtract(array.offsets, pa.scalar(first, array.offsets.type))
    if types.is_map(kind):
        return pa.MapArray.from_arrays(offsets, items.field(0), items.field(1), type=wanted, mask=null)
    sort = pa.LargeListArray if types.is_large_list(wanted) else pa.ListArray
    return sort.from_arrays(offsets, items, type=wanted, mask=null)


def spans(array: pa.Array) -> tuple[Sequence[int], Sequence[int]]:
    """Where the items of each list start and end among the `values`. (Casts of views that are slices go wrong.)"""
    kind = array.type
    if types.is_fixed_size_list(kind):
        size = kind.list_size
        starts = range(array.offset * size, (array.offset + len(array)) * size, size) if size else [0] * len(array)
        return starts, [start + size for start in starts]
    offsets = array.offsets.to_pylist()
    if is_list_view(kind):
        return offsets, list(map(add, offsets, array.sizes.to_pylist()))
    return offsets[:-1], offsets[1:]
