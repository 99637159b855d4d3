"""The types of columns with which everything works, and which Parquet gives back as they were written."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

_LEAVES: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (types.is_string_view, pa.string()),
    (types.is_binary_view, pa.binary()),
    (types.is_date64, pa.date32()),
)
"""Types without fields that become another one whatever their parameters."""

TEXTS = (pa.string(), pa.binary())
"""What a dictionary in a Parquet file may hold: all others are read back as their values."""


def types_within(kind: pa.DataType) -> Iterator[pa.DataType]:
    """The type itself, and those of the values within it, however deep."""
    yield kind
    if isinstance(kind, pa.BaseExtensionType):
        yield from types_within(kind.storage_type)
    elif is_encoded(kind):
        yield from types_within(kind.value_type)
    else:
        for field in _fields(kind):
            yield from types_within(field.type)


@lru_cache(maxsize=1024)
def holds_union(kind: pa.DataType) -> bool:
    """Whether there is a union in it, from which Arrow cannot always take single values."""
    return any(map(types.is_union, types_within(kind)))


def _holds_required(kind: pa.DataType) -> bool:
    """Whether there is a field in it that is never null, which it is all the same where a row is taken as null."""
    return any(not field.nullable for inner in types_within(kind) if types.is_struct(inner) for field in _fields(inner))


def is_encoded(kind: pa.DataType) -> bool:
    """Whether its arrays have their values apart from their rows."""
    return bool(types.is_dictionary(kind) or types.is_run_end_encoded(kind))


@lru_cache(maxsize=1024)
def is_decodable(kind: pa.DataType) -> bool:
    """Whether Arrow can bring the values of such arrays to their rows."""
    return not holds_union(kind) and not _holds_required(kind)


@lru_cache(maxsize=1024)
def is_text_dictionary(kind: pa.DataType) -> bool:
    """Whether it is a dictionary that stays one."""
    return bool(types.is_dictionary(kind) and storable_type(kind.value_type) in TEXTS)


def storable_type(kind: pa.DataType) -> pa.DataType:
    """The type that an array of type `kind` has after `storable`."""
    for is_leaf, plain in _LEAVES:
        if is_leaf(kind):
            return plain
    if types.is_timestamp(kind) and kind.unit == "s":  # Parquet has no seconds, and would make them milliseconds
        return pa.timestamp("ms", kind.tz)
    if types.is_time32(kind):
        return pa.time32("ms")
    if isinstance(kind, pa.BaseExtensionType):
        storage = storable_type(kind.storage_type)
        return kind if storage == kind.storage_type else storage
    if holds_union(kind):
        return kind
    if is_text_dictionary(kind):
        return pa.dictionary(kind.index_type, storable_type(kind.value_type), kind.ordered)
    if is_encoded(kind):
        return storable_type(kind.value_type) if is_decodable(kind) else kind
    return _nested_type(kind) if types.is_nested(kind) else kind


def _nested_type(kind: pa.DataType) -> pa.DataType:
    fields = [field.with_type(storable_type(field.type)) for field in _fields(kind)]
    if types.is_list_view(kind) or is_without_items(kind):
        return pa.list_(*fields)
    if types.is_large_list_view(kind):
        return pa.large_list(*fields)
    if fields == _fields(kind):
        return kind
    if types.is_map(kind):
        return pa.map_(*fields, kind.keys_sorted)
    if types.is_struct(kind):
        return pa.struct(fields)
    if types.is_fixed_size_list(kind):
        return pa.list_(*fields, kind.list_size)
    return pa.large_list(*fields) if types.is_large_list(kind) else pa.list_(*fields)


def _fields(kind: pa.DataType) -> list[pa.Field]:
    """The fields of a nested type; of a map those of key and value."""
    if types.is_map(kind):
        return [kind.key_field, kind.item_field]
    return [kind.field(place) for place in range(kind.num_fields)] if types.is_nested(kind) else []


def is_list_view(kind: pa.DataType) -> bool:
    """Whether it is a list whose items may stand in any order, and more than once."""
    return bool(types.is_list_view(kind) or types.is_large_list_view(kind))


def is_without_items(kind: pa.DataType) -> bool:
    """Whether it is a list of no items in every row, which Parquet writes and cannot read."""
    return bool(types.is_fixed_size_list(kind) and kind.list_size == 0)


@lru_cache(maxsize=1024)
def is_storable(kind: pa.DataType) -> bool:
    """Whether arrays of this type are storable as they are, whatever is in them."""
    # Null may be among the values of a dictionary, which Parquet does not hold.
    return storable_type(kind) == kind and (holds_union(kind) or not any(map(is_text_dictionary, types_within(kind))))


def parquet_holds(kind: pa.DataType) -> bool:
    """Whether Parquet gives back this type, and those within it, as it is written, null among its values."""
    return all(map(_parquet_holds, types_within(kind)))


@lru_cache(maxsize=1024)
def _parquet_holds(kind: pa.DataType) -> bool:
    """What Parquet itself makes of a row that is null; which types it holds differs between versions of pyarrow."""
    rows = 0 if _holds_required(kind) else 1
    try:
        column = pa.nulls(rows, kind).take(pa.nulls(rows, pa.int64()))
        file, schema = pa.BufferOutputStream(), pa.schema([pa.field("column", kind)])
        with pq.ParquetWriter(file, schema) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))
        read = pq.ParquetFile(pa.BufferReader(file.getvalue()), pre_buffer=False).read(use_threads=False)
    except (pa.ArrowException, NotImplementedError, OSError):
        return False
    found = read.schema.field(0).type
    if types.is_dictionary(kind) and types.is_dictionary(found):  # older versions widen the indices
        return bool(found.value_type == kind.value_type)
    return bool(found == kind)
