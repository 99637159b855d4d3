"""JSONL: one object a line; its keys are the columns, and its values are sent to the letter.

What a value is (a number of 23 digits, `1.10`, an object) only its text says exactly, so it stays text from the file
to the request. A key that a row lacks is not sent; which columns there are is known when all rows were seen.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pyarrow as pa

from batchrun.adapters.tables.arrow_values import rows_without_columns
from batchrun.adapters.tables.base import BATCH_BYTES, BATCH_ROWS, Batch, Source, stamp, watched
from batchrun.adapters.tables.encodings import explain_undecodable
from batchrun.adapters.tables.footer import RestoredTypes
from batchrun.adapters.tables.inference import TableInference, arrow_type, carried, kinds_as_read
from batchrun.adapters.tables.text import Lines, LineTooLongError, codec
from batchrun.domain.cells import ABSENT
from batchrun.domain.fingerprint import FileStamp, Inference, RowOffset
from batchrun.errors import InputError

SHOWN = 10
"""Most bad lines that are named."""

Fields = dict[str, msgspec.Raw]
_decoder = msgspec.json.Decoder(Fields)
_pairs = json.JSONDecoder(object_pairs_hook=list, parse_int=str, parse_float=str).decode
"""Asked for the keys alone: numbers need not be ones that Python takes."""


@dataclass(frozen=True, slots=True)
class JsonlBatch:
    """Rows of objects, with the lines they came from."""

    start: int
    lines: Sequence[str]
    rows: Sequence[Fields]
    inference: Inference
    schema: pa.Schema
    place: int | None = None

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
            carried((_value(row, name) for row in self.rows), column) for name, column in self.inference.columns.items()
        ]
        if not arrays:  # no object has a key
            return rows_without_columns(len(self))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _value(row: Fields, column: str) -> object:
    raw = row.get(column)
    if raw is None:
        return ABSENT
    return None if bytes(raw) == b"null" else raw


@dataclass(frozen=True, slots=True)
class JsonlTable:
    """A JSONL file, as `base.Table` has it; it has no columns before `surveyed`."""

    path: Path
    stamp: FileStamp
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
    def needs_survey(self) -> bool:
        return not self.inference.columns

    def surveyed(self, inference: Inference) -> "JsonlTable":
        if "" in inference.columns:
            raise InputError(f"{self.path}: an object has an empty key. Every column needs a name")
        return replace(self, inference=inference)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        return watched(self.path, self.stamp, self._batches(start))

    def _batches(self, start: int) -> Iterator[Batch]:
        schema, begin = self.schema, self.inference.before(start)
        first = 0 if begin is None else begin.row
        for lines, rows, place in self._chunks(begin):
            skipped = max(0, start - first)
            if not skipped:
                yield JsonlBatch(first, lines, rows, self.inference, schema, place)
            elif skipped < len(rows):
                yield JsonlBatch(start, lines[skipped:], rows[skipped:], self.inference, schema)
            first += len(rows)

    def _chunks(self, begin: RowOffset | None) -> Iterator[tuple[list[str], list[Fields], int | None]]:
        """Lines and their objects, with the places of some; those from `begin` on if it is given.

        From the first bad line on the rest is only searched for more of them.
        """
        source = Lines(self.path, self.encoding, "\n", start=None if begin is None else begin.byte)
        number, bad, problems = 0, 0, list[str]()
        lines, rows, place = list[str](), list[Fields](), None
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
                    if bad <= SHOWN:
                        problems.append(f"{self.path}: line {number}: {error}")
                if len(rows) >= BATCH_ROWS or source.characters >= BATCH_BYTES:
                    if rows and not bad:
                        yield lines, rows, place
                    place = source.pass_by(len(rows))
                    lines, rows, source.characters = [], [], 0
        except LineTooLongError as error:
            problems.append(f"{self.path}: line {number + 1}: {error}; is it one object a line?")
        except UnicodeError as error:
            problems.append(explain_undecodable(self.path, self.encoding, error))
        if bad > SHOWN:
            problems.insert(SHOWN, f"{self.path}: and {bad - SHOWN} more such lines")
        if problems:
            raise InputError(*problems)
        if rows:
            yield lines, rows, place


def open_jsonl(source: Source) -> JsonlTable:
    """Open a file of one JSON object a line; reads nothing of it."""
    if source.kinds:
        raise InputError(f"{source.path}: --type is for columns of text, and JSONL says itself what its values are")
    return JsonlTable(source.path, stamp(source.path), codec(source.encoding))


def _fields(text: str) -> Fields:
    """The object of one line; raises ValueError that says what is wrong with it."""
    try:
        fields = _decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise ValueError(_explained(text, str(error))) from None
    except RecursionError:
        raise ValueError("its values are nested too deeply") from None
    pairs = _pairs(text)
    if len(pairs) != len(fields):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} is given twice")
    return fields


_HALF_PAIR = re.compile(r"\\u[dD][89a-fA-F]")


def _is_json(text: str) -> bool:
    try:
        _pairs(text)
    except (ValueError, RecursionError):
        return False
    return True


def _explained(text: str, error: str) -> str:
    if text[0] in "[,]":
        return "is not an object. One object a line, please; a JSON array becomes that with: jq -c '.[]'"
    if text[0] != "{":
        return "is not a JSON object"
    if _HALF_PAIR.search(text) and _is_json(text):
        return 'half a surrogate pair (such as "\\ud800") is no text'
    if text == "{" or "truncated" in error:
        return "the object does not end on its line. One object a line, please; jq -c . brings it into that form"
    if text.endswith("},"):
        return "ends with a comma. One object a line, please, and nothing between them"
    return f"is not JSON: {error.removeprefix('JSON is malformed: ')}"
