"""CSV by RFC 4180: UTF-8 with a byte order mark, without which Excel takes it for the code page of the machine.

Every text is in quotes, so that a null (nothing) differs from the empty text (`""`). Numbers and booleans are bare.
Nested values are JSON, times ISO 8601.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import csv, types

from batchrun.adapters.results.base import Target, Write
from batchrun.adapters.results.values import values_of
from batchrun.adapters.tables.arrow_values import nested_text

_OPTIONS = csv.WriteOptions(eol="\r\n")
_MARK = "\ufeff".encode()

_RUN_BY_SPREADSHEETS = tuple("=+-@\t\r\n＝＋－＠")
"""What begins a cell that may be run as a formula, after OWASP's page on CSV injection."""
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@contextmanager
def open_csv(target: Target) -> Iterator[Write]:
    """Open a CSV file."""
    protect = target.excel_safe
    names = [_safe(name) if protect else name for name in target.schema.names]
    fields = [pa.field(name, _written_type(field.type)) for name, field in zip(names, target.schema, strict=True)]
    schema = pa.schema(fields)

    def write(batch: pa.RecordBatch) -> None:
        columns = [_column(array, protect=protect) for array in batch.columns]
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))

    target.file.write(_MARK)
    with csv.CSVWriter(target.file, schema, write_options=_OPTIONS) as writer:
        yield write


def _is_bare(data_type: pa.DataType) -> bool:
    """Whether Arrow writes the values as they are to be."""
    return bool(
        types.is_integer(data_type)
        or types.is_boolean(data_type)
        or types.is_float32(data_type)
        or types.is_float64(data_type)
    )


def _written_type(data_type: pa.DataType) -> pa.DataType:
    return data_type if _is_bare(data_type) else pa.string()


def _column(array: pa.Array, *, protect: bool) -> pa.Array:
    if _is_bare(array.type) or (array.type == pa.string() and not protect):
        return array
    texts = [None if value is None else _text(value) for value in values_of(array)]
    if protect:
        texts = [None if text is None else _safe(text) for text in texts]
    return pa.array(texts, pa.string())


def _text(value: object) -> str:
    return value if isinstance(value, str) else nested_text(value)


def _safe(text: str) -> str:
    """The text, with an apostrophe before what a spreadsheet would run. Numbers stay numbers."""
    return f"'{text}" if text.startswith(_RUN_BY_SPREADSHEETS) and not _NUMBER.fullmatch(text) else text
