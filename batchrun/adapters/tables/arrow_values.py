"""Conversion of Arrow's values to what is sent: JSON's types, and text for values that JSON cannot represent.

Timestamps, dates and times become ISO 8601 text in the format of `isoformat`. It has an offset if the column has a
time zone, nine decimals of the second if six are not enough, and a sign and six digits for years after 9999. Durations
become ISO 8601 text in seconds (`PT90.5S`, `-PT1S`). Decimals become plain digits, dictionaries their values, and keys
of maps text. Bytes stay bytes; such columns cannot be sent.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import types

from batchrun.adapters.tables.inference import TableInference
from batchrun.adapters.tables.sendable_types import holds_map, is_uuid
from batchrun.adapters.tables.storable import decoded, encoded, spans
from batchrun.adapters.tables.storable_types import holds_union, is_decodable, is_encoded
from batchrun.domain.cells import BadCell
from batchrun.domain.column_mapping import not_json

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400
_CYCLE = 146_097 * _DAY
"""Seconds in 400 years, after which the calendar repeats."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - for columns without a time zone


@dataclass(frozen=True, slots=True)
class ArrowBatch:
    """A `base.Batch` over a record batch of Arrow."""

    start: int
    data: pa.RecordBatch
    results_schema: pa.Schema | None = None
    """The schema of the results. Columns whose type differs there are converted to JSON text."""

    @property
    def byte_offset(self) -> None:
        """None: the file is not text."""

    def __len__(self) -> int:
        return int(self.data.num_rows)

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if not columns:
            return [()] * len(self)
        return list(zip(*(_sendable(self.data.column(column)) for column in columns), strict=True))

    def content(self) -> Sequence[object]:
        return self.values(self.data.schema.names)

    def observe(self, table_inference: TableInference) -> None:
        """Nothing to infer: the schema has all types."""

    def arrow(self) -> pa.RecordBatch:
        if self.results_schema is None or self.results_schema == self.data.schema:
            return self.data
        arrays = [
            array if array.type == field.type else _as_json(array)
            for array, field in zip(self.data.columns, self.results_schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.results_schema)


def rows_without_columns(count: int) -> pa.RecordBatch:
    """A batch of `count` rows without columns. A batch built from no arrays would have no rows."""
    return pa.RecordBatch.from_struct_array(pa.array([{}] * count, pa.struct([])))


def as_text(value: object) -> str:
    """A sent value as text: a string or a bad cell unchanged, any other value as JSON."""
    if isinstance(value, BadCell):
        return value.text
    if isinstance(value, msgspec.Raw) and bytes(value)[:1] == b'"':
        value = msgspec.json.decode(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


class _WithEqualKeys(dict[str, object]):
    """A map that has a key twice. JSON would keep one of its values."""


def _sendable(array: pa.Array) -> list[Any]:
    """The values of a column as they are sent. One that would lose a part of it is a bad cell."""
    values = plain(array)
    if not holds_map(array.type):
        return values
    return [BadCell(as_text(value), "a map with each key once") if _loses(value) else value for value in values]


def _loses(value: object) -> bool:
    if isinstance(value, dict):
        return isinstance(value, _WithEqualKeys) or any(map(_loses, value.values()))
    return isinstance(value, list) and any(map(_loses, value))


def _map(pairs: Sequence[tuple[object, object]]) -> dict[str, object]:
    found = {as_text(key): value for key, value in pairs}
    return found if len(found) == len(pairs) else _WithEqualKeys(found)


def _as_json(array: pa.Array) -> pa.Array:
    return pa.array(_map_values(nested_text, plain(array)), pa.string())


def nested_text(value: object) -> str:
    """The value as JSON text. NaN and infinity stay in it, so that they are refused when that text is sent."""
    return msgspec.json.encode(value).decode() if not_json(value) is None else json.dumps(value, default=str)


def plain(array: pa.Array) -> list[Any]:
    """The values of an array as they are sent, with None for null."""
    data_type = array.type
    if is_encoded(data_type):
        return plain(decoded(array)) if is_decodable(data_type) else _encoded(array)
    if isinstance(data_type, pa.BaseExtensionType):
        return (
            _map_values(str if is_uuid(data_type) else bool, array.to_pylist())
            if _has_own_conversion(data_type)
            else plain(array.storage)
        )
    if types.is_union(data_type):
        return _union(array)
    if types.is_struct(data_type):
        names = [field.name for field in data_type]
        # `flatten` crashes the process for a nullable struct with a union, because unions have no nulls.
        children = map(array.field, range(len(names))) if holds_union(data_type) else array.flatten()
        rows = zip(*map(plain, children), strict=True) if names else iter([()] * len(array))
        found = array.is_valid().to_pylist()
        return [dict(zip(names, row, strict=True)) if valid else None for valid, row in zip(found, rows, strict=True)]
    if types.is_map(data_type):
        return _map_values(_map, _lists(array))
    if types.is_nested(data_type):
        return _lists(array)
    write = _writer(data_type)
    if write is None:
        return list(array.to_pylist())
    width = pa.int32() if data_type.bit_width == 32 else pa.int64()
    return _map_values(write, array.to_pylist() if types.is_decimal(data_type) else array.cast(width).to_pylist())


def _encoded(array: pa.Array) -> list[Any]:
    values, positions = encoded(array)
    found = plain(values)
    return [None if position is None else found[position] for position in positions.to_pylist()]


def _union(array: pa.UnionArray) -> list[Any]:
    # The properties `type_codes` and `offsets` ignore the offset of a slice.
    data_type, (_, codes, *offsets) = array.type, array.buffers()
    count, begin = len(array), array.offset
    chosen = pa.Array.from_buffers(pa.int8(), count, [None, codes], offset=begin).to_pylist()
    positions: Sequence[int] = range(count)
    if data_type.mode == "dense":
        positions = pa.Array.from_buffers(pa.int32(), count, [None, offsets[0]], offset=begin).to_pylist()
    values: list[Any] = [None] * count
    for number, code in enumerate(data_type.type_codes):
        rows = [row for row in range(count) if chosen[row] == code]
        first = min((positions[row] for row in rows), default=0)
        end = max((positions[row] + 1 for row in rows), default=0)
        found = plain(array.field(number).slice(first, end - first))
        for row in rows:
            values[row] = found[positions[row] - first]
    return values


def _map_values(function: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    return [None if value is None else function(value) for value in values]


def _lists(array: pa.Array) -> list[Any]:
    """The values of any type of list. A map is a list of its pairs."""
    starts, ends = spans(array)
    first, last = min(starts, default=0), max(ends, default=0)
    items = array.values.slice(first, last - first)
    if types.is_map(array.type):
        flat: list[Any] = list(zip(plain(items.field(0)), plain(items.field(1)), strict=True))
    else:
        flat = plain(items)
    found = zip(array.is_valid().to_pylist(), starts, ends, strict=True)
    return [flat[start - first : end - first] if valid else None for valid, start, end in found]


def _writer(data_type: pa.DataType) -> Callable[[Any], str] | None:
    """The function that formats a number of this type as text, or None if the Python value is sent."""
    if types.is_decimal(data_type):
        return "{:f}".format
    if types.is_date(data_type):
        days = 1 if types.is_date32(data_type) else _DAY * 1000
        return lambda value: _iso_text(value // days * _DAY, None).partition("T")[0]
    if types.is_timestamp(data_type):
        unit, zone = _PER_SECOND[data_type.unit], _zone(data_type.tz)
        return lambda value: _iso_text(value // unit, zone, _fraction(value % unit, unit))
    if types.is_time(data_type):
        unit = _PER_SECOND[data_type.unit]
        return lambda value: _iso_text(value // unit, None, _fraction(value % unit, unit)).partition("T")[2]
    if types.is_duration(data_type):
        unit = _PER_SECOND[data_type.unit]
        return lambda value: _duration(value, unit)
    return None


def _iso_text(seconds: int, zone: tzinfo | None, fraction: str = "") -> str:
    """ISO 8601 text of `seconds` after 1970, plus this fraction of a second."""
    try:
        text = _iso_text_in_range(seconds, zone)
    except OverflowError:
        cycles, rest = divmod(seconds, _CYCLE)
        near = _iso_text_in_range(rest, zone)
        text = f"{int(near[:4]) + 400 * cycles:+07d}{near[4:]}"
    if not fraction:
        return text
    end = text.index("T") + len("T00:00:00")
    return f"{text[:end]}{fraction}{text[end:]}"


def _iso_text_in_range(seconds: int, zone: tzinfo | None) -> str:
    if zone is None:
        return (_EPOCH + timedelta(seconds=seconds)).isoformat()
    return (_EPOCH.replace(tzinfo=UTC) + timedelta(seconds=seconds)).astimezone(zone).isoformat()


def _fraction(part: int, unit: int) -> str:
    nanos = part * (10**9 // unit)
    if nanos == 0:
        return ""
    return f".{nanos:09d}" if nanos % 1000 else f".{nanos // 1000:06d}"


def _duration(value: int, unit: int) -> str:
    seconds, part = divmod(abs(value), unit)
    sign = "-" if value < 0 else ""
    return f"{sign}PT{seconds}{_fraction(part, unit).rstrip('0')}S"


def _zone(name: str | None) -> tzinfo | None:
    if name is None:
        return None
    try:
        zone: tzinfo = pa.lib.string_to_tzinfo(name)
    except (ValueError, KeyError):
        return UTC  # unknown on this machine; UTC is the same instant
    return zone


def _has_own_conversion(data_type: pa.DataType) -> bool:
    """Whether it is an extension type whose values are not sent as they are stored."""
    return is_uuid(data_type) or str(data_type) == "extension<arrow.bool8>"
