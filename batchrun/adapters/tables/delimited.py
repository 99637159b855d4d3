"""CSV and TSV.

The only parser is the strict `csv` reader of the standard library, so that the values checked, sent and written to the
results cannot differ. (pyarrow's parser is faster, but it accepts an unclosed quote and reads the rest as one cell.)
Cells are text, exactly as written. Blank lines are skipped and not counted as rows.
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
    MAX_REPORTED,
    Batch,
    Source,
    checked_columns,
    disk_errors,
)
from batchrun.adapters.tables.encodings import explain_undecodable
from batchrun.adapters.tables.footer import RestoredTypes
from batchrun.adapters.tables.inference import TableInference
from batchrun.adapters.tables.input_file import InputFile
from batchrun.adapters.tables.separator_line import separator_of
from batchrun.adapters.tables.text_files import MAX_LINE_CHARS, Lines, LineTooLongError, codec
from batchrun.domain.fingerprint import FileStamp, Inference, RowOffset
from batchrun.errors import InputError

MAX_ROWS_PER_READ = 64
"""Maximum rows to read from the parser at a time."""

Cells = list[str]


@dataclass(frozen=True, slots=True)
class DelimitedBatch:
    """Rows of text cells."""

    start: int
    names: tuple[str, ...]
    schema: pa.Schema
    rows: Sequence[Cells]
    byte_offset: int | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if tuple(columns) == self.names:
            return list(map(tuple, self.rows))
        numbers = {name: number for number, name in enumerate(self.names)}
        positions = [numbers[column] for column in columns]
        if len(positions) > 1:
            return list(map(itemgetter(*positions), self.rows))
        return [(row[positions[0]],) if positions else () for row in self.rows]

    def content(self) -> Sequence[object]:
        return self.rows

    def observe(self, table_inference: TableInference) -> None:
        """No types to infer: all columns are text. Files that were put together may hold a header among the rows."""
        header = list(self.names)
        if header in self.rows:
            for row in (row for row, cells in enumerate(self.rows, self.start) if cells == header):
                table_inference.suspect(row, "is the header once more; it is sent as any other row")
        if len(header) == 1:  # with more columns, a marker has too few cells
            for row, (cell,) in enumerate(self.rows, self.start):
                if is_conflict_marker(cell):
                    table_inference.suspect(row, f"is {cell!r}, as in a merge conflict; it is sent as any other row")

    def arrow(self) -> pa.RecordBatch:
        columns = zip(*self.rows, strict=True)
        return pa.RecordBatch.from_arrays([pa.array(cells, pa.string()) for cells in columns], schema=self.schema)


@dataclass(frozen=True, slots=True)
class DelimitedTable:
    """A `base.Table` over a CSV or TSV file. `has_separator_line`: its first line names the delimiter."""

    file: InputFile
    encoding: str
    delimiter: str
    has_separator_line: bool = False
    columns: tuple[str, ...] = ()
    unsendable: Mapping[str, str] = field(default_factory=dict)
    restore: RestoredTypes = field(default_factory=RestoredTypes)
    needs_inference: bool = False
    inference: Inference = field(default_factory=Inference)

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, pa.string()) for name in self.columns])

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def stamp(self) -> FileStamp:
        return self.file.stamp

    @property
    def files(self) -> tuple[InputFile, ...]:
        return (self.file,)

    def with_inference(self, inference: Inference) -> "DelimitedTable":
        return replace(self, inference=inference)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        return disk_errors(self.path, self._batches(start))

    def _batches(self, start: int) -> Iterator[Batch]:
        schema, begin = self.schema, self.inference.before(start)
        first = 0 if begin is None else begin.row
        chunks = self.chunks(begin)
        next(chunks, None)  # the header
        for rows, byte_offset in chunks:
            skipped = max(0, start - first)
            if not skipped:
                yield DelimitedBatch(first, self.columns, schema, rows, byte_offset)
            elif skipped < len(rows):
                yield DelimitedBatch(start, self.columns, schema, rows[skipped:])
            first += len(rows)

    def chunks(self, begin: RowOffset | None = None) -> Iterator[tuple[list[Cells], int | None]]:
        """The header alone, then the rows in chunks, from `begin` on if given. Some chunks have their byte offset."""
        lines = Lines(self.file, self.encoding, start=None if begin is None else begin.byte)
        reader = csv.reader(self._lines_after_separator(lines, begin), delimiter=self.delimiter, strict=True)
        try:
            header = _first_row(reader) if begin is None else list(self.columns)
            if header is None:
                return
            yield [header], None
            yield from self._rows(reader, lines, {len(header)})
        except (csv.Error, UnicodeError, LineTooLongError, _RaggedError):
            raise InputError(*self.mistakes()) from None

    def _lines_after_separator(self, lines: Lines, begin: RowOffset | None) -> Iterator[str]:
        iterator = iter(lines)
        if self.has_separator_line and begin is None:
            next(iterator, None)
        return iterator

    def _rows(self, reader: Iterator[Cells], lines: Lines, width: set[int]) -> Iterator[tuple[list[Cells], int | None]]:
        """Read as many rows at a time as the bytes of a batch allow, judging by the rows before."""
        chunk, step, byte_offset = list[Cells](), 1, None
        while taken := _next_rows(reader, step):
            if set(map(len, taken)) != width:
                taken = list(filter(None, taken))  # blank lines
                if not set(map(len, taken)) <= width:
                    raise _RaggedError
            chunk += taken
            left, mean = BATCH_BYTES - lines.characters, lines.characters / (len(chunk) or 1)
            step = max(1, min(MAX_ROWS_PER_READ, int(left / max(mean, 1.0))))
            if len(chunk) >= BATCH_ROWS or left <= 0:
                if chunk:
                    yield chunk, byte_offset
                byte_offset = lines.offset_after(len(chunk))
                chunk, lines.characters, step = [], 0, 1
        if chunk:
            yield chunk, byte_offset

    def row_lines(self) -> Iterator[int]:
        """The line on which each row starts."""
        above = 1 if self.has_separator_line else 0
        lines = self._lines_after_separator(Lines(self.file, self.encoding), None)
        reader, line = csv.reader(lines, delimiter=self.delimiter, strict=True), above
        with _CELL_SIZE_LIMIT:
            _first_row(reader)  # the header
            line = reader.line_num + above
            for cells in reader:
                if cells:
                    yield line + 1
                line = reader.line_num + above

    def mistakes(self) -> list[str]:
        """All problems of the file with their lines. Reads the file again, row by row."""
        above = 1 if self.has_separator_line else 0  # lines that the parser does not count
        width, line, ragged, problems = -1, above, 0, list[str]()
        lines = self._lines_after_separator(Lines(self.file, self.encoding), None)
        reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
        try:
            with _CELL_SIZE_LIMIT:
                for cells in reader:
                    if cells and width < 0:
                        width = len(cells)
                    elif cells and len(cells) != width:
                        ragged += 1
                        if ragged <= MAX_REPORTED:
                            problems.append(_ragged(self.path, line + 1, cells, width))
                    line = reader.line_num + above
        except (csv.Error, LineTooLongError) as error:
            problems.append(f"{self.path}: line {line + 1}: {_explained(str(error))}")
        except UnicodeError as error:
            problems.append(explain_undecodable(self.file, self.encoding, error))
        if ragged > MAX_REPORTED:
            problems.insert(MAX_REPORTED, f"{self.path}: and {ragged - MAX_REPORTED:,} more such rows")
        return problems


class _CellSizeLimit:
    """Raises the csv module's limit of cell size to that of a line.

    The limit applies to the whole process, which belongs to the host program where batchrun is a library. So it is
    raised only while one of our threads is parsing, and never lowered.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._users = 0
        self._original = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._original = csv.field_size_limit()
                csv.field_size_limit(max(MAX_LINE_CHARS, self._original))
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                csv.field_size_limit(self._original)


_CELL_SIZE_LIMIT = _CellSizeLimit()


def _first_row(reader: Iterator[Cells]) -> Cells | None:
    """The first row that is not blank, if any."""
    with _CELL_SIZE_LIMIT:
        return next(filter(None, reader), None)


def _next_rows(reader: Iterator[Cells], count: int) -> list[Cells]:
    """The next `count` rows, or fewer at the end."""
    with _CELL_SIZE_LIMIT:
        return list(islice(reader, count))


def is_conflict_marker(line: str) -> bool:
    """Whether version control has written this line to mark what it could not merge."""
    return line.startswith(("<<<<<<< ", ">>>>>>> ")) or line == "======="


class _RaggedError(Exception):
    """The number of cells of a row differs from that of the header."""


def _ragged(path: Path, line: int, cells: Cells, expected: int) -> str:
    if is_conflict_marker(cells[0]):
        return f"{path}: line {line}: {cells[0]!r} marks a merge conflict; resolve it first"
    found = "1 cell" if len(cells) == 1 else f"{len(cells)} cells"
    return f"{path}: line {line}: has {found}, but the header has {expected}"


def _explained(error: str) -> str:
    if "unexpected end of data" in error:
        return "a quote is opened in the row that starts here, and never closed"
    if "larger than" in error or "line of over" in error:
        return f"the row that starts here has a cell or line of over {MAX_LINE_CHARS >> 20} MB; is a quote not closed?"
    return f"bad quoting in the row that starts here: {error}. A quote inside a quoted cell is written twice"


def open_delimited(source: Source) -> DelimitedTable:
    """Open a file of delimited cells; reads only its header."""
    assert source.delimiter is not None, "the registry fills it in"
    delimiter = "\t" if source.delimiter == r"\t" else source.delimiter
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise InputError(f"--delimiter {source.delimiter!r}: must be one character, and no quote or end of line")
    file = InputFile(source.path)
    named = separator_of(file, codec(source.encoding))
    if named is not None and source.is_default_delimiter:
        delimiter = named
    table = DelimitedTable(file, codec(source.encoding), delimiter, named is not None)
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
