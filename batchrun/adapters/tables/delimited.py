"""CSV and TSV.

The standard library's strict `csv` reader is the one parser: what is checked, what is sent and what is written to the
results can then never differ. (pyarrow's is faster, but takes everything after an unclosed quote for one cell.)
Every cell is text exactly as written. Blank lines are skipped and not counted.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from operator import itemgetter
from pathlib import Path
from threading import Lock

import pyarrow as pa

from batchrun.adapters.tables.base import (
    BATCH_BYTES,
    BATCH_ROWS,
    Batch,
    Source,
    checked_columns,
    stamp,
    watched,
)
from batchrun.adapters.tables.encodings import explain_undecodable
from batchrun.adapters.tables.footer import RestoredTypes
from batchrun.adapters.tables.inference import TableInference
from batchrun.adapters.tables.text import LARGEST, Lines, LineTooLongError, codec
from batchrun.domain.fingerprint import FileStamp, Inference, RowOffset
from batchrun.errors import InputError

STEP = 64
"""Most rows that are taken from the parser at a time."""

SHOWN = 10
"""Most ragged rows that are named."""

Cells = list[str]


@dataclass(frozen=True, slots=True)
class DelimitedBatch:
    """Rows of cells."""

    start: int
    names: tuple[str, ...]
    schema: pa.Schema
    rows: Sequence[Cells]
    place: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if tuple(columns) == self.names:
            return list(map(tuple, self.rows))
        places = [self.names.index(column) for column in columns]
        if len(places) > 1:
            return list(map(itemgetter(*places), self.rows))
        return [(row[places[0]],) if places else () for row in self.rows]

    def content(self) -> Sequence[object]:
        return self.rows

    def observe(self, table_inference: TableInference) -> None:
        """Text is text."""

    def arrow(self) -> pa.RecordBatch:
        columns = zip(*self.rows, strict=True)
        return pa.RecordBatch.from_arrays([pa.array(cells, pa.string()) for cells in columns], schema=self.schema)


@dataclass(frozen=True, slots=True)
class DelimitedTable:
    """A CSV or TSV file, as `base.Table` has it."""

    path: Path
    stamp: FileStamp
    encoding: str
    delimiter: str
    columns: tuple[str, ...] = ()
    unsendable: Mapping[str, str] = field(default_factory=dict)
    restore: RestoredTypes = field(default_factory=RestoredTypes)
    needs_survey: bool = False
    inference: Inference = field(default_factory=Inference)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, pa.string()) for name in self.columns])

    def surveyed(self, inference: Inference) -> "DelimitedTable":
        return replace(self, inference=inference)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        return watched(self.path, self.stamp, self._batches(start))

    def _batches(self, start: int) -> Iterator[Batch]:
        schema, begin = self.schema, self.inference.before(start)
        first = 0 if begin is None else begin.row
        chunks = self.chunks(begin)
        next(chunks, None)  # the header
        for rows, place in chunks:
            skipped = max(0, start - first)
            if not skipped:
                yield DelimitedBatch(first, self.columns, schema, rows, place)
            elif skipped < len(rows):
                yield DelimitedBatch(start, self.columns, schema, rows[skipped:])
            first += len(rows)

    def chunks(self, begin: RowOffset | None = None) -> Iterator[tuple[list[Cells], int | None]]:
        """The header alone, then the rows, those from `begin` on if it is given; with the places of some."""
        lines = Lines(self.path, self.encoding, start=None if begin is None else begin.byte)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        try:
            header = _first(reader) if begin is None else list(self.columns)
            if header is None:
                return
            yield [header], None
            yield from self._rows(reader, lines, {len(header)})
        except (csv.Error, UnicodeError, LineTooLongError, _RaggedError):
            raise InputError(*self.mistakes()) from None

    def _rows(self, reader: Iterator[Cells], lines: Lines, width: set[int]) -> Iterator[tuple[list[Cells], int | None]]:
        """Several rows a step, as many as the bytes of a batch allow going by the rows before them."""
        chunk, step, place = list[Cells](), 1, None
        while taken := _take(reader, step):
            if set(map(len, taken)) != width:
                taken = list(filter(None, taken))  # blank lines
                if not set(map(len, taken)) <= width:
                    raise _RaggedError
            chunk += taken
            left, mean = BATCH_BYTES - lines.characters, lines.characters / (len(chunk) or 1)
            step = max(1, min(STEP, int(left / max(mean, 1.0))))
            if len(chunk) >= BATCH_ROWS or left <= 0:
                if chunk:
                    yield chunk, place
                place = lines.pass_by(len(chunk))
                chunk, lines.characters, step = [], 0, 1
        if chunk:
            yield chunk, place

    def mistakes(self) -> list[str]:
        """Everything that is wrong with the rows of the file, with its lines: read once more, and row by row."""
        width, line, ragged, problems = -1, 0, 0, list[str]()
        reader = csv.reader(Lines(self.path, self.encoding), delimiter=self.delimiter, strict=True)
        try:
            with _LARGE_CELLS:
                for cells in reader:
                    if cells and width < 0:
                        width = len(cells)
                    elif cells and len(cells) != width:
                        ragged += 1
                        if ragged <= SHOWN:
                            problems.append(_ragged(self.path, line + 1, len(cells), width))
                    line = reader.line_num
        except (csv.Error, LineTooLongError) as error:
            problems.append(f"{self.path}: line {line + 1}: {_quoting(str(error))}")
        except UnicodeError as error:
            problems.append(explain_undecodable(self.path, self.encoding, error))
        if ragged > SHOWN:
            problems.insert(SHOWN, f"{self.path}: and {ragged - SHOWN} more such rows")
        return problems


class _LargeCells:
    """Lets cells be as large as a line may be. The csv module has one limit for the whole process, which is another's
    where batchrun is a library: it is raised only while one of our threads is parsing, and never lowered."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._usual = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._usual = csv.field_size_limit()
                csv.field_size_limit(max(LARGEST, self._usual))
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                csv.field_size_limit(self._usual)


_LARGE_CELLS = _LargeCells()


def _first(reader: Iterator[Cells]) -> Cells | None:
    """The first row that is not blank."""
    with _LARGE_CELLS:
        return next(filter(None, reader), None)


def _take(reader: Iterator[Cells], count: int) -> list[Cells]:
    """The next `count` rows, fewer at the end."""
    with _LARGE_CELLS:
        return list(islice(reader, count))


class _RaggedError(Exception):
    """A row has another number of cells than the header."""


def _ragged(path: Path, line: int, found: int, expected: int) -> str:
    cells = "1 cell" if found == 1 else f"{found} cells"
    return f"{path}: line {line}: has {cells}, but the header has {expected}"


def _quoting(error: str) -> str:
    if "unexpected end of data" in error:
        return "a quote is opened in the row that starts here, and never closed"
    if "larger than" in error or "line of over" in error:
        return f"the row that starts here has a cell or line of over {LARGEST >> 20} MB; is a quote not closed?"
    return f"bad quoting in the row that starts here: {error}. A quote inside a quoted cell is written twice"


def open_delimited(source: Source) -> DelimitedTable:
    """Open a file of cells with a delimiter between them; reads its header only."""
    assert source.delimiter is not None, "the registry fills it in"
    delimiter = "\t" if source.delimiter == r"\t" else source.delimiter
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise InputError(f"--delimiter {source.delimiter!r}: must be one character, and no quote or end of line")
    table = DelimitedTable(source.path, stamp(source.path), codec(source.encoding), delimiter)
    (header,), _ = next(table.chunks(), ([[]], None))
    if not header:
        raise InputError(f"{source.path}: has no columns; its first line must name them")
    if any("\0" in name for name in header):
        raise InputError(
            f"{source.path}: line 1 holds NUL characters. If it is UTF-16: --encoding utf-16-le or utf-16-be"
        )
    try:
        columns = checked_columns(source.path, header)
    except InputError as error:
        raise InputError(*error.problems, *table.mistakes()) from None
    return replace(table, columns=columns)
