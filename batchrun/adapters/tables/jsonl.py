"""JSONL: one object per line. Its keys are the columns, and its values are sent unchanged.

Only the text of a value is exact (a number of 23 digits, `1.10`, an object), so values stay text from the file to the
request. A key that a row lacks is not sent. The columns are known after all rows have been read.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pyarrow as pa

from batchrun.adapters.tables.arrow_values import rows_without_columns
from batchrun.adapters.tables.base import BATCH_BYTES, BATCH_ROWS, MAX_REPORTED, Batch, Source, disk_errors
from batchrun.adapters.tables.encodings import explain_undecodable
from batchrun.adapters.tables.footer import RestoredTypes
from batchrun.adapters.tables.inference import TableInference, arrow_type, kinds_as_read, results_array
from batchrun.adapters.tables.input_file import InputFile
from batchrun.adapters.tables.text_files import Lines, LineTooLongError, codec
from batchrun.domain.cells import ABSENT
from batchrun.domain.fingerprint import FileStamp, Inference, RowOffset
from batchrun.errors import InputError
from batchrun.nesting import bounded

Fields = dict[str, msgspec.Raw]
_decode = bounded(msgspec.json.Decoder(Fields).decode)
_key_value_pairs = json.JSONDecoder(object_pairs_hook=list, parse_int=str, parse_float=str).decode
"""Used for the keys only, so numbers are not converted; Python would refuse some."""


@dataclass(frozen=True, slots=True)
class JsonlBatch:
    """Rows of objects, with their lines."""

    start: int
    lines: Sequence[str]
    rows: Sequence[Fields]
    inference: Inference
    schema: pa.Schema
    byte_offset: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        return [tuple(_value(row, column) for column in columns) for row in self.rows]

    def content(self) -> Sequence[object]:
        return self.lines

    def observe(self, table_inference: TableInference) -> None:
        for row in self.rows:
            for name in row:
                table_inference.of(name).add(_value(row, name))

    def arrow(self) -> pa.RecordBatch:
        arrays = [
            results_array((_value(row, name) for row in self.rows), column)
            for name, column in self.inference.columns.items()
        ]
        if not arrays:  # all objects are empty
            return rows_without_columns(len(self))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _value(row: Fields, column: str) -> object:
    raw = row.get(column)
    if raw is None:
        return ABSENT
    return None if bytes(raw) == b"null" else raw


@dataclass(frozen=True, slots=True)
class JsonlTable:
    """A `base.Table` over a JSONL file. It has no columns before `with_inference`."""

    file: InputFile
    encoding: str
    inference: Inference = field(default_factory=Inference)
    unsendable: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.inference.columns)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, arrow_type(column.type)) for name, column in self.inference.columns.items()])

    @property
    def restore(self) -> RestoredTypes:
        columns = self.inference.columns
        return RestoredTypes(kinds_as_read(columns, {}), frozenset(name for name in columns if columns[name].absent))

    @property
    def needs_inference(self) -> bool:
        return not self.inference.columns

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def stamp(self) -> FileStamp:
        return self.file.stamp

    @property
    def files(self) -> tuple[InputFile, ...]:
        return (self.file,)

    def with_inference(self, inference: Inference) -> "JsonlTable":
        if "" in inference.columns:
            raise InputError(f"{self.path}: an object has an empty key. Every column needs a name")
        return replace(self, inference=inference)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        return disk_errors(self.path, self._batches(start))

    def _batches(self, start: int) -> Iterator[Batch]:
        schema, begin = self.schema, self.inference.before(start)
        first = 0 if begin is None else begin.row
        for lines, rows, byte_offset in self._chunks(begin):
            skipped = max(0, start - first)
            if not skipped:
                yield JsonlBatch(first, lines, rows, self.inference, schema, byte_offset)
            elif skipped < len(rows):
                yield JsonlBatch(start, lines[skipped:], rows[skipped:], self.inference, schema)
            first += len(rows)

    def row_lines(self) -> Iterator[int]:
        """The line of each row."""
        lines = enumerate(Lines(self.file, self.encoding, "\n"), 1)
        return (number for number, line in lines if line.strip())

    def _chunks(self, begin: RowOffset | None) -> Iterator[tuple[list[str], list[Fields], int | None]]:
        """Lines and their objects in chunks, from `begin` on if given. Some chunks have their byte offset.

        After the first bad line, the rest of the file is only searched for further ones.
        """
        source = Lines(self.file, self.encoding, "\n", start=None if begin is None else begin.byte)
        number, bad, problems = 0, 0, list[str]()
        lines, rows, byte_offset = list[str](), list[Fields](), None
        try:
            for number, line in enumerate(source, 1):
                text = line.strip()
                if not text:
                    continue
                try:
                    rows.append(_fields(text))
                    lines.append(text)
                except ValueError as error:
                    bad += 1
                    if bad <= MAX_REPORTED:
                        problems.append(f"{self.path}: line {number}: {error}")
                if len(rows) >= BATCH_ROWS or source.characters >= BATCH_BYTES:
                    if rows and not bad:
                        yield lines, rows, byte_offset
                    byte_offset = source.offset_after(len(rows))
                    lines, rows, source.characters = [], [], 0
        except LineTooLongError as error:
            problems.append(f"{self.path}: line {number + 1}: {error}; is it one object a line?")
        except UnicodeError as error:
            problems.append(explain_undecodable(self.file, self.encoding, error))
        if bad > MAX_REPORTED:
            problems.insert(MAX_REPORTED, f"{self.path}: and {bad - MAX_REPORTED:,} more such lines")
        if problems:
            raise InputError(*problems)
        if rows:
            yield lines, rows, byte_offset


def open_jsonl(source: Source) -> JsonlTable:
    """Open a file of one JSON object per line, without reading it."""
    return JsonlTable(InputFile(source.path), codec(source.encoding))


def _fields(text: str) -> Fields:
    """The object of one line. Raises ValueError with the problem as its message."""
    try:
        fields = _decode(text)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError(_explained(text, str(error))) from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    pairs = _key_value_pairs(text)
    if len(pairs) != len(fields):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice!r} is given twice")
    return fields


_LONE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def _is_json(text: str) -> bool:
    try:
        _key_value_pairs(text)
    except (ValueError, RecursionError):
        return False
    return True


def _explained(text: str, error: str) -> str:
    if text[0] in "[,]":
        return "is not an object. One object a line, please; a JSON array becomes that with: jq -c '.[]'"
    if text[0] != "{":
        return "is not a JSON object"
    if _LONE_SURROGATE.search(text) and _is_json(text):
        return 'half a surrogate pair (such as "\\ud800") is no text'
    if text == "{" or "truncated" in error:
        return "the object does not end on its line. One object a line, please; jq -c . brings it into that form"
    if text.endswith("},"):
        return "ends with a comma. One object a line, please, and nothing between them"
    return f"is not JSON: {error.removeprefix('JSON is malformed: ')}"
