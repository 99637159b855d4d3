"""The values of result files for formats without Arrow's types.

They are those that were sent to the service (see `adapters.tables.arrow_values`), except that times in UTC end in `Z`,
and bytes are base64 text.
"""

from base64 import b64encode
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from batchrun.adapters.tables.arrow_values import plain

_FIRST, _LAST = -62_135_596_800_000, 253_402_300_799_999
"""The milliseconds from the year 1 to 9999."""

MILLISECONDS_UTC = pa.timestamp("ms", "UTC")


def values_of(array: pa.Array) -> list[Any]:
    """The values as types of JSON. A value that JSON does not have (a NaN) may be among them."""
    if array.type == MILLISECONDS_UTC and _is_in_calendar(array):
        # Without the zone, since Arrow would look it up in a database that is not on every machine.
        text = array.cast(pa.timestamp("ms")).cast(pa.string())
        return list(pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "").to_pylist())
    values = plain(array)
    if types.is_timestamp(array.type):
        return [value if value is None else _in_utc(value) for value in values]
    if any(isinstance(value, bytes) for value in values):
        return [b64encode(value).decode() if isinstance(value, bytes) else value for value in values]
    return values


def _is_in_calendar(array: pa.Array) -> bool:
    found = pc.min_max(array.cast(pa.int64()))
    first, last = found["min"].as_py(), found["max"].as_py()
    return first is None or (first >= _FIRST and last <= _LAST)


def _in_utc(text: str) -> str:
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text
