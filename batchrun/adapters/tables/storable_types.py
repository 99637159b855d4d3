"""The types of columns that all of our code supports and that Parquet returns as they were written."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

_REPLACED: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (types.is_string_view, pa.string()),
    (types.is_binary_view, pa.binary()),
    (types.is_date64, pa.date32()),
)
"""Types without fields that are always replaced, with their replacements."""

TEXTS = (pa.string(), pa.binary())
"""The value types of dictionaries that Parquet returns as dictionaries. It returns others as plain values."""


def types_within(data_type: pa.DataType) -> Iterator[pa.DataType]:
    """The type itself and all types nested in it."""
    yield data_type
    if isinstance(data_type, pa.BaseExtensionType):
        yield from types_within(data_type.storage_type)
    elif is_encoded(data_type):
        yield from types_within(data_type.value_type)
    else:
        for field in _fields(data_type):
            yield from types_within(field.type)


def field_names(field: pa.Field) -> list[str]:
    """The name of a field, and those of all fields nested in it. Raises UnicodeDecodeError."""
    return [field.name, *(inner.name for data_type in types_within(field.type) for inner in _fields(data_type))]


_MAX_SCALES = {32: 9, 64: 18, 128: 38, 256: 76}
"""The largest scale of a decimal, and the smallest one without its sign, by the bits of its type."""


MAX_FIXED_ITEMS = 10_000_000
"""The most items of a value of fixed size. More cannot be sent in one request, and a damaged type may have any number,
for which memory would be reserved."""


@lru_cache(maxsize=1024)
def is_readable(data_type: pa.DataType) -> bool:
    """Whether pyarrow can read values of this type. Other programs have types that it lacks, such as months."""
    if not 0 <= _fixed_items(data_type) <= MAX_FIXED_ITEMS:
        return False
    for inner in types_within(data_type):
        if types.is_decimal(inner) and abs(inner.scale) > _MAX_SCALES[inner.bit_width]:
            return False
        try:
            pa.nulls(0, inner)
        except KeyError:
            return False
    return True


def _fixed_items(data_type: pa.DataType) -> int:
    """How many items a value has at least, because of lists of fixed size; negative if one is damaged."""
    if isinstance(data_type, pa.BaseExtensionType):
        return _fixed_items(data_type.storage_type)
    inner = [data_type.value_type] if is_encoded(data_type) else [field.type for field in _fields(data_type)]
    found = [_fixed_items(one) for one in inner]
    most = min(found) if any(count < 0 for count in found) else max(found, default=1)
    return most * data_type.list_size if types.is_fixed_size_list(data_type) and most >= 0 else most


@lru_cache(maxsize=1024)
def holds_union(data_type: pa.DataType) -> bool:
    """Whether it contains a union. Arrow cannot always select single values of unions."""
    return any(map(types.is_union, types_within(data_type)))


@lru_cache(maxsize=1024)
def holds_dictionary(data_type: pa.DataType) -> bool:
    """Whether it contains a dictionary."""
    return any(map(types.is_dictionary, types_within(data_type)))


def _holds_required(data_type: pa.DataType) -> bool:
    """Whether it contains a non-nullable field. Such a field still gets a null value where a whole row is null."""
    return any(
        not field.nullable for inner in types_within(data_type) if types.is_struct(inner) for field in _fields(inner)
    )


def is_encoded(data_type: pa.DataType) -> bool:
    """Whether its arrays store each value separately from the rows: dictionaries and run-end encoding."""
    return bool(types.is_dictionary(data_type) or types.is_run_end_encoded(data_type))


@lru_cache(maxsize=1024)
def is_decodable(data_type: pa.DataType) -> bool:
    """Whether Arrow can expand such arrays to one value per row."""
    return not holds_union(data_type) and not _holds_required(data_type)


@lru_cache(maxsize=1024)
def is_text_dictionary(data_type: pa.DataType) -> bool:
    """Whether it is a dictionary that is stored as one."""
    return bool(types.is_dictionary(data_type) and storable_type(data_type.value_type) in TEXTS)


def storable_type(data_type: pa.DataType) -> pa.DataType:
    """The type that `storable` converts `data_type` to."""
    for is_leaf, plain in _REPLACED:
        if is_leaf(data_type):
            return plain
    if types.is_timestamp(data_type) and data_type.unit == "s":  # Parquet stores seconds as milliseconds
        return pa.timestamp("ms", data_type.tz)
    if types.is_time32(data_type):
        return pa.time32("ms")
    if isinstance(data_type, pa.BaseExtensionType):
        storage = storable_type(data_type.storage_type)
        return data_type if storage == data_type.storage_type else storage
    if holds_union(data_type):
        return data_type
    if is_text_dictionary(data_type):
        return pa.dictionary(data_type.index_type, storable_type(data_type.value_type), data_type.ordered)
    if is_encoded(data_type):
        return storable_type(data_type.value_type) if is_decodable(data_type) else data_type
    return _nested_type(data_type) if types.is_nested(data_type) else data_type


def _nested_type(data_type: pa.DataType) -> pa.DataType:
    fields = [field.with_type(storable_type(field.type)) for field in _fields(data_type)]
    if types.is_list_view(data_type) or is_without_items(data_type):
        return pa.list_(*fields)
    if types.is_large_list_view(data_type):
        return pa.large_list(*fields)
    if fields == _fields(data_type):
        return data_type
    if types.is_map(data_type):
        return pa.map_(*fields, data_type.keys_sorted)
    if types.is_struct(data_type):
        return pa.struct(fields)
    if types.is_fixed_size_list(data_type):
        return pa.list_(*fields, data_type.list_size)
    return pa.large_list(*fields) if types.is_large_list(data_type) else pa.list_(*fields)


def _fields(data_type: pa.DataType) -> list[pa.Field]:
    """The fields of a nested type; for a map its key and its value."""
    if types.is_map(data_type):
        return [data_type.key_field, data_type.item_field]
    return [data_type.field(index) for index in range(data_type.num_fields)] if types.is_nested(data_type) else []


def is_list_view(data_type: pa.DataType) -> bool:
    """Whether it is a list view, whose lists may share items and be stored in any order."""
    return bool(types.is_list_view(data_type) or types.is_large_list_view(data_type))


def is_without_items(data_type: pa.DataType) -> bool:
    """Whether it is a list of fixed size 0, which Parquet can write but not read."""
    return bool(types.is_fixed_size_list(data_type) and data_type.list_size == 0)


@lru_cache(maxsize=1024)
def is_storable(data_type: pa.DataType) -> bool:
    """Whether all arrays of this type can be stored unchanged."""
    # Parquet cannot store null among the values of a dictionary, so dictionaries need a look at their values.
    return storable_type(data_type) == data_type and (
        holds_union(data_type) or not any(map(is_text_dictionary, types_within(data_type)))
    )


def parquet_holds(data_type: pa.DataType) -> bool:
    """Whether Parquet returns this type, and all types nested in it, as it was written, with null values."""
    return all(map(_parquet_holds, types_within(data_type)))


@lru_cache(maxsize=1024)
def _parquet_holds(data_type: pa.DataType) -> bool:
    """Write a null to Parquet and read it. The supported types differ between versions of pyarrow."""
    rows = 0 if _holds_required(data_type) else 1
    try:
        column = pa.nulls(rows, data_type).take(pa.nulls(rows, pa.int64()))
        file, schema = pa.BufferOutputStream(), pa.schema([pa.field("column", data_type)])
        with pq.ParquetWriter(file, schema) as writer:
            writer.write_batch(pa.RecordBatch.from_arrays([column], schema=schema))
        read = pq.ParquetFile(pa.BufferReader(file.getvalue()), pre_buffer=False).read(use_threads=False)
    except (pa.ArrowException, NotImplementedError, OSError):
        return False
    found = read.schema.field(0).type
    if types.is_dictionary(data_type) and types.is_dictionary(found):  # older versions of pyarrow widen the indices
        return bool(found.value_type == data_type.value_type)
    return bool(found == data_type)
