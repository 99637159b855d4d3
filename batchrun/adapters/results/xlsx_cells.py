"""The values of cells in Excel: texts, numbers, booleans, and dates, which are numbers that are shown as dates."""

import math
import re
from collections.abc import Callable
from typing import Any

import pyarrow as pa
from pyarrow import types

from batchrun.adapters.results.values import values_of
from batchrun.adapters.tables.arrow_values import nested_text

MAX_NUMBER = 10**15
"""From here on Excel does not show all digits of an integer."""

TEXT = "@"
"""The format of a text: it stays one also when somebody edits the cell."""

_DAY_MS = 86_400_000
_PER_DAY = {"s": 86_400, "ms": _DAY_MS, "us": _DAY_MS * 1000, "ns": _DAY_MS * 1_000_000}
_EPOCH = 25_569
"""1970-01-01 in days of Excel."""
_FIRST, _END = 61, 2_958_466
"""Excel's days from 1900-03-01, before which it counts a day that never was, to the end of 9999."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_LIKE_ESCAPE = re.compile(f"_(?=x[0-9a-fA-F]{{4}}(?:_|{_CONTROL.pattern}))")
_UTC_NAMES = frozenset({"UTC", "Etc/UTC", "Z", "+00:00", "GMT"})


def cells_of(array: pa.Array) -> list[Any]:
    """The values as cells: None, text, a boolean or a number."""
    data_type = array.type
    if _is_moment(data_type):
        return _dates(array)
    values: list[Any] = values_of(array)
    if types.is_boolean(data_type):
        return values
    cell: Callable[[Any], object] = _text
    if types.is_integer(data_type):
        cell = _integer
    elif types.is_floating(data_type):
        cell = _float
    elif types.is_decimal(data_type) and data_type.precision <= len(str(MAX_NUMBER)) - 1:
        cell = float
    return [None if value is None else cell(value) for value in values]


def number_format_of(data_type: pa.DataType) -> str:
    """How Excel shows the numbers of a column of this type."""
    if types.is_date(data_type):
        return "yyyy-mm-dd"
    if _is_moment(data_type):
        return 'yyyy-mm-dd"T"hh:mm:ss.000' + ('"Z"' if data_type.tz else "")
    if types.is_integer(data_type):
        return "0"
    if types.is_decimal(data_type):
        return "0." + "0" * data_type.scale if data_type.scale > 0 else "0"
    return "General" if types.is_floating(data_type) else TEXT


def escaped(text: str) -> str:
    """The text with Excel's escapes: `_x0001_` for a control character, `_x005F_` for `_` before what looks alike."""
    return _CONTROL.sub(lambda found: f"_x{ord(found[0]):04X}_", _LIKE_ESCAPE.sub("_x005F_", text))


def utf16_cut(text: str, most: int) -> str:
    """The text, or its beginning and an ellipsis if it has more than `most` units in UTF-16."""
    if len(text) <= most // 2 or len(units := text.encode("utf-16-le")) <= 2 * most:
        return text
    return units[: 2 * (most - 1)].decode("utf-16-le", "ignore") + "…"


def _is_moment(data_type: pa.DataType) -> bool:
    """Whether a date of Excel can be the same: it has no zone, so times in other zones than UTC stay text."""
    return bool(types.is_date(data_type)) or (
        bool(types.is_timestamp(data_type)) and (data_type.tz is None or data_type.tz in _UTC_NAMES)
    )


def _dates(array: pa.Array) -> list[Any]:
    """Days of Excel; text for what it does not have: less than a millisecond, and years before 1900 or after 9999."""
    if types.is_date(array.type):
        numbers, per_day = array.cast(pa.date32()).cast(pa.int32()).to_pylist(), 1
    else:
        numbers, per_day = array.cast(pa.int64()).to_pylist(), _PER_DAY[array.type.unit]
    finest = max(1, per_day // _DAY_MS)
    days = [None if number is None or number % finest else _EPOCH + number / per_day for number in numbers]
    cells: list[Any] = [day if day is not None and _FIRST <= day < _END else None for day in days]
    if cells.count(None) == array.null_count:
        return cells
    return [text if cell is None else cell for cell, text in zip(cells, values_of(array), strict=True)]


def _integer(value: int) -> object:
    return value if -MAX_NUMBER < value < MAX_NUMBER else str(value)


def _float(value: float) -> object:
    return value if math.isfinite(value) else "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"


def _text(value: object) -> str:
    return value if isinstance(value, str) else nested_text(value)
