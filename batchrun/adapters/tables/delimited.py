"""CSV and TSV.

The standard library's strict `csv` reader is the one parser: what is checked, what is sent and what is written to the
results can then never differ. (pyarrow's is faster, but takes everything after an unclosed quote for one cell.)
Every cell is text exactly as written. Blank lines are skipped and not counted.
"""

import codecs
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import TextIO

import pyarrow as pa

from batchrun.adapters.tables.base import (
    BATCH_BYTES,
    BATCH_ROWS,
    Batch,
    FileStamp,
    Source,
    checked_columns,
    stamp,
    watched,
)
from batchrun.adapters.tables.encodings import explain_undecodable
from batchrun.errors import InputError

LARGEST = 64 << 20
"""Most characters of a cell and of a line; three times what the service takes for a whole request."""

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

    def __len__(self) -> int:
        return len(self.rows)

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        if tuple(columns) == self.names:
            return list(map(tuple, self.rows))
        places = [self.names.index(column) for column in columns]
        if len(places) > 1:
            return list(map(itemgetter(*places), self.rows))
        return [(row[places[0]],) if places else () for row in self.rows]

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

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, pa.string()) for name in self.columns])

    def batches(self, start: int = 0) -> Iterator[Batch]:
        return watched(self.path, self.stamp, self._batches(start))

    def _batches(self, start: int) -> Iterator[Batch]:
        schema, first = self.schema, 0
        chunks = self.chunks()
        next(chunks, None)  # the header
        for rows in chunks:
            skipped = max(0, start - first)
            if skipped < len(rows):
                yield DelimitedBatch(first + skipped, self.columns, schema, rows[skipped:] if skipped else rows)
            first += len(rows)

    def chunks(self) -> Iterator[list[Cells]]:
        """The header alone, then the rows. From the first ragged row on the rest is only searched for more of them."""
        width, line, chunk = -1, 0, list[Cells]()
        ragged, problems = 0, list[str]()
        with self.path.open(encoding=self.encoding, newline="") as file:
            lines = _Lines(file)
            reader = csv.reader(lines, delimiter=self.delimiter, strict=True)
            try:
                for cells in reader:
                    if len(cells) == width:
                        chunk.append(cells)
                    elif cells and width < 0:
                        width = len(cells)
                        yield [cells]
                    elif cells:
                        ragged += 1
                        if ragged <= SHOWN:
                            problems.append(_ragged(self.path, line + 1, len(cells), width))
                    line = reader.line_num
                    if len(chunk) >= BATCH_ROWS or lines.characters >= BATCH_BYTES:
                        if chunk and not ragged:
                            yield chunk
                        chunk, lines.characters = [], 0
            except csv.Error as error:
                problems.append(f"{self.path}: line {line + 1}: {_quoting(str(error))}")
            except UnicodeError as error:
                problems.append(explain_undecodable(self.path, self.encoding, error))
        if ragged > SHOWN:
            problems.insert(SHOWN, f"{self.path}: and {ragged - SHOWN} more such rows")
        if problems:
            raise InputError(*problems)
        if chunk:
            yield chunk


class _Lines:
    """The lines of a file, with a count of the characters that went by, so that batches are bounded in bytes too."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self.characters = 0

    def __iter__(self) -> Iterator[str]:
        for line in iter(partial(self._file.readline, LARGEST), ""):
            if len(line) == LARGEST:
                raise csv.Error("line larger than the limit")
            self.characters += len(line)
            yield line


def _ragged(path: Path, line: int, found: int, expected: int) -> str:
    cells = "1 cell" if found == 1 else f"{found} cells"
    return f"{path}: line {line}: has {cells}, but the header has {expected}"


def _quoting(error: str) -> str:
    if "unexpected end of data" in error:
        return "a quote is opened in the row that starts here, and never closed"
    if "larger than" in error:
        return f"the row that starts here has a cell or line of over {LARGEST >> 20} MB; is a quote not closed?"
    return f"bad quoting in the row that starts here: {error}. A quote inside a quoted cell is written twice"


def open_csv(source: Source) -> DelimitedTable:
    """Open a file of cells between commas, or what the job says instead."""
    return _open(source, ",")


def open_tsv(source: Source) -> DelimitedTable:
    """The same between tabs."""
    return _open(source, "\t")


def _open(source: Source, usual: str) -> DelimitedTable:
    csv.field_size_limit(LARGEST)  # of the whole process: the module has no other way
    delimiter = "\t" if source.delimiter == r"\t" else source.delimiter or usual
    if len(delimiter) != 1 or delimiter in '"\r\n\0':
        raise InputError(f"--delimiter {source.delimiter!r}: must be one character, and no quote or end of line")
    table = DelimitedTable(source.path, stamp(source.path), _codec(source.encoding), delimiter)
    header = next(table.chunks(), [[]])[0]
    if any("\0" in name for name in header):
        raise InputError(
            f"{source.path}: line 1 holds NUL characters. If it is UTF-16: --encoding utf-16-le or utf-16-be"
        )
    return DelimitedTable(table.path, table.stamp, table.encoding, delimiter, checked_columns(source.path, header))


def _codec(name: str) -> str:
    try:
        codec = codecs.lookup(name)
        "".encode(name)  # refuses codecs that are not of text
    except (LookupError, ValueError):
        raise InputError(
            f"--encoding {name}: no such encoding of text. Try utf-8, gb18030, latin-1 or utf-16"
        ) from None
    return "utf-8-sig" if codec.name == "utf-8" else codec.name
