"""From Arrow's values to what is sent: JSON's own types, and text for all that JSON has no word for.

Timestamps, dates and times are ISO 8601 text as `isoformat` writes it (with the offset where the column has a time
zone, with nine digits of the second where six do not hold it, and with a sign and six digits of the year beyond 9999);
durations are ISO 8601 text in seconds (`PT90.5S`, `-PT1S`); decimals plain digits; dictionaries their values; keys of
maps text. Bytes stay bytes: such columns cannot be sent.
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
from batchrun.adapters.tables.storable import decoded, encoded, spans
from batchrun.adapters.tables.storable_types import holds_union, is_decodable, is_encoded
from batchrun.domain.cells import BadCell
from batchrun.domain.column_mapping import not_json

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY = 86_400
_CYCLE = 146_097 * _DAY
"""Seconds in 400 years, after which the calendar repeats itself."""
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - columns without a time zone are local to nobody knows where


@dataclass(frozen=True, slots=True)
class ArrowBatch:
    """Rows that are in Arrow's own form, as `base.Batch` has it."""

    start: int
    data: pa.RecordBatch
    carried: pa.Schema | None = None
    """The schema of the results where the file's own types cannot stand there: those columns become JSON text."""

    @property
    def place(self) -> None:
        """It is no text."""

    def __len__(self) -> int:
        return int(self.data.num_rows)

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if not columns:
            return [()] * len(self)
        return list(zip(*(plain(self.data.column(column)) for column in columns), strict=True))

    def content(self) -> Sequence[object]:
        return self.values(self.data.schema.names)

    def observe(self, table_inference: TableInference) -> None:
        """The schema says it all."""

    def arrow(self) -> pa.RecordBatch:
        if self.carried is None or self.carried == self.data.schema:
            return self.data
        arrays = [
            array if array.type == field.type else _as_json(array)
            for array, field in zip(self.data.columns, self.carried, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.carried)


def why_unsendable(data_type: pa.DataType) -> str | None:
    """Why values of this type cannot be sent; None where they can."""
    return "it holds binary data, which JSON cannot carry" if _holds_binary(data_type) else None


def rows_without_columns(count: int) -> pa.RecordBatch:
    """So many rows of nothing; built from arrays, a batch would forget how many."""
    return pa.RecordBatch.from_struct_array(pa.array([{}] * count, pa.struct([])))


def as_text(value: object) -> str:
    """A sent value as text: text as it is (also where it is not of its type), anything else as JSON writes it."""
    if isinstance(value, BadCell):
        return value.text
    if isinstance(value, msgspec.Raw) and bytes(value)[:1] == b'"':
        value = msgspec.json.decode(value)
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _as_json(array: pa.Array) -> pa.Array:
    return pa.array(_each(_json_text, plain(array)), pa.string())


def _json_text(value: object) -> str:
    """The value as JSON text; a NaN or an infinity in it stays one, so that it cannot be sent from there either."""
    return msgspec.json.encode(value).decode() if not_json(value) is None else json.dumps(value, default=str)


def plain(array: pa.Array) -> list[Any]:
    """The values of an array as they are sent; null is None."""
    data_type = array.type
    if is_encoded(data_type):
        return plain(decoded(array)) if is_decodable(data_type) else _encoded(array)
    if isinstance(data_type, pa.BaseExtensionType):
        return (
            _each(str if _is_uuid(data_type) else bool, array.to_pylist())
            if _is_own(data_type)
            else plain(array.storage)
        )
    if types.is_union(data_type):
        return _union(array)
    if types.is_struct(data_type):
        names = [field.name for field in data_type]
        # Where it can be null, `flatten` ends the whole process for a union: that has no nulls of its own.
        children = map(array.field, range(len(names))) if holds_union(data_type) else array.flatten()
        rows = zip(*map(plain, children), strict=True) if names else iter([()] * len(array))
        found = array.is_valid().to_pylist()
        return [dict(zip(names, row, strict=True)) if valid else None for valid, row in zip(found, rows, strict=True)]
    if types.is_map(data_type):
        return _each(lambda pairs: {as_text(key): value for key, value in pairs}, _lists(array))
    if types.is_nested(data_type):
        return _lists(array)
    write = _writer(data_type)
    if write is None:
        return list(array.to_pylist())
    width = pa.int32() if data_type.bit_width == 32 else pa.int64()
    return _each(write, array.to_pylist() if types.is_decimal(data_type) else array.cast(width).to_pylist())


def _encoded(array: pa.Array) -> list[Any]:
    values, places = encoded(array)
    found = plain(values)
    return [None if place is None else found[place] for place in places.to_pylist()]


def _union(array: pa.UnionArray) -> list[Any]:
    # The properties `type_codes` and `offsets` take no notice of where a slice begins.
    data_type, (_, codes, *offsets) = array.type, array.buffers()
    count, begin = len(array), array.offset
    chosen = pa.Array.from_buffers(pa.int8(), count, [None, codes], offset=begin).to_pylist()
    places: Sequence[int] = range(count)
    if data_type.mode == "dense":
        places = pa.Array.from_buffers(pa.int32(), count, [None, offsets[0]], offset=begin).to_pylist()
    values: list[Any] = [None] * count
    for number, code in enumerate(data_type.type_codes):
        rows = [row for row in range(count) if chosen[row] == code]
        first = min((places[row] for row in rows), default=0)
        end = max((places[row] + 1 for row in rows), default=0)
        found = plain(array.field(number).slice(first, end - first))
        for row in rows:
            values[row] = found[places[row] - first]
    return values


def _each(function: Callable[[Any], Any], values: list[Any]) -> list[Any]:
    return [None if value is None else function(value) for value in values]


def _lists(array: pa.Array) -> list[Any]:
    """The values of any sort of list; a map is a list of its pairs."""
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
    """How a number of this type is written as text; None where the value is sent as Python has it."""
    if types.is_decimal(data_type):
        return "{:f}".format
    if types.is_date(data_type):
        days = 1 if types.is_date32(data_type) else _DAY * 1000
        return lambda value: _moment(value // days * _DAY, None).partition("T")[0]
    if types.is_timestamp(data_type):
        unit, zone = _PER_SECOND[data_type.unit], _zone(data_type.tz)
        return lambda value: _moment(value // unit, zone, _fraction(value % unit, unit))
    if types.is_time(data_type):
        unit = _PER_SECOND[data_type.unit]
        return lambda value: _moment(value // unit, None, _fraction(value % unit, unit)).partition("T")[2]
    if types.is_duration(data_type):
        unit = _PER_SECOND[data_type.unit]
        return lambda value: _duration(value, unit)
    return None


def _moment(seconds: int, zone: tzinfo | None, fraction: str = "") -> str:
    """ISO 8601 of so many seconds after 1970, with this fraction of a second."""
    try:
        text = _civil(seconds, zone)
    except OverflowError:
        cycles, rest = divmod(seconds, _CYCLE)
        near = _civil(rest, zone)
        text = f"{int(near[:4]) + 400 * cycles:+07d}{near[4:]}"
    if not fraction:
        return text
    end = text.index("T") + len("T00:00:00")
    return f"{text[:end]}{fraction}{text[end:]}"


def _civil(seconds: int, zone: tzinfo | None) -> str:
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
        return UTC  # no such zone on this machine: the instant is the same
    return zone


def _holds_binary(data_type: pa.DataType) -> bool:
    if types.is_dictionary(data_type):
        return _holds_binary(data_type.value_type)
    if isinstance(data_type, pa.BaseExtensionType):
        return not _is_uuid(data_type) and _holds_binary(data_type.storage_type)
    if types.is_run_end_encoded(data_type):
        return _holds_binary(data_type.value_type)
    if types.is_nested(data_type):
        return any(_holds_binary(data_type.field(place).type) for place in range(data_type.num_fields))
    return bool(
        types.is_binary(data_type)
        or types.is_large_binary(data_type)
        or types.is_fixed_size_binary(data_type)
        or types.is_binary_view(data_type)
    )


def _is_uuid(data_type: pa.DataType) -> bool:
    return str(data_type) == "extension<arrow.uuid>"


def _is_own(data_type: pa.DataType) -> bool:
    """Whether it is an extension whose values are not sent as they are stored."""
    return _is_uuid(data_type) or str(data_type) == "extension<arrow.bool8>"
