"""JSON Lines: one object a row, in which the output is the JSON value that it is.

Number literals are kept. An output that strict readers refuse (for `NaN`, a half of a surrogate pair, nesting beyond
reason) is a string with its text. A `NaN` or infinity of an input is the string `"NaN"`, `"Infinity"` or `"-Infinity"`.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pyarrow as pa
from pyarrow import types

from batchrun.adapters.results.base import Target, Write
from batchrun.adapters.results.values import values_of
from batchrun.outputs.json_values import is_json

_LINE_ENDS = str.maketrans("\r\n", "  ")


@contextmanager
def open_jsonl(target: Target) -> Iterator[Write]:
    """Open a file of JSON Lines."""
    names = target.schema.names
    encode = msgspec.json.Encoder().encode_lines

    def write(batch: pa.RecordBatch) -> None:
        columns = [
            _column(array, holds_json=name in target.json_columns)
            for name, array in zip(names, batch.columns, strict=True)
        ]
        target.file.write(encode([dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]))

    yield write


def _column(array: pa.Array, *, holds_json: bool) -> list[Any]:
    values = values_of(array)
    if holds_json:
        return [None if value is None else _embedded(value) for value in values]
    if types.is_floating(array.type) or types.is_nested(array.type):
        return list(map(_finite, values))
    return values


def _embedded(text: str) -> object:
    """JSON text as a value. Line ends can only be between its tokens, since strings escape them."""
    return msgspec.Raw(text.translate(_LINE_ENDS).encode()) if is_json(text) else text


def _finite(value: object) -> object:
    """The value, with names for numbers that JSON does not have."""
    match value:
        case float() if not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        case list():
            return list(map(_finite, value))
        case dict():
            return {key: _finite(member) for key, member in value.items()}
        case _:
            return value
