"""Arrow IPC files (`.arrow`, `.feather`), in the file or the stream format. They are memory-mapped.

Arrow believes what such a file says of its buffers, so reading the values of a damaged one could end the process. Each
record batch is therefore checked before its first use.
"""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa
from pyarrow import ipc

from batchrun.adapters.tables.arrow_values import ArrowBatch
from batchrun.adapters.tables.base import Source, disk_errors
from batchrun.adapters.tables.columnar import ColumnarTable, columns_of, contents_of, refuse_damage
from batchrun.adapters.tables.input_file import InputFile
from batchrun.errors import InputError

_Reader: TypeAlias = ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader


@dataclass(frozen=True, slots=True)
class ArrowTable(ColumnarTable):
    """A `base.Table` over an Arrow file."""

    checked: set[tuple[int, int]] = field(default_factory=set)
    """The record batches that were checked: the first row, and the time of the last change of the file."""

    def batches(self, start: int = 0) -> Iterator[ArrowBatch]:
        return disk_errors(self.path, self._batches(start))

    def _batches(self, start: int) -> Iterator[ArrowBatch]:
        first, file = 0, self.files[0]
        with file.opened() as descriptor:
            changed_at = os.fstat(descriptor).st_mtime_ns
        with _opened(file) as (reader, source):
            for read in _record_batches(reader, source, self.path):
                if first + read.num_rows > start and (first, changed_at) not in self.checked:
                    refuse_damage(self.path, first, read, [*range(read.num_columns)])
                    self.checked.add((first, changed_at))
                skipped = min(max(0, start - first), read.num_rows)
                for row, piece in self.pieces(first + skipped, read.slice(skipped)):
                    file.refuse_change()
                    yield ArrowBatch(row, self.input_columns.of(piece, self.path), self.input_columns.results_schema)
                first += read.num_rows


def open_arrow(source: Source) -> ArrowTable:
    """Open an Arrow file, reading only its schema."""
    file = InputFile(source.path)
    with _opened(file) as (reader, _):
        found = reader.schema
    return ArrowTable(source.path, (file,), columns_of(source.path, found, source.named))


@contextmanager
def _opened(file: InputFile) -> Iterator[tuple[_Reader, pa.NativeFile]]:
    """Open a reader of the contents. Raises `InputError` if the file is not an Arrow file or is damaged."""
    path = file.path
    with file.opened() as descriptor:
        head = os.pread(descriptor, 6, 0)
        size = min(file.stamp.size, os.fstat(descriptor).st_size)
        mapped = mmap.mmap(descriptor, size, prot=mmap.PROT_READ) if size else b""
    if head.startswith(b"FEA1"):
        raise InputError(f"{path}: is Feather version 1, which is no longer read. Write it again as version 2")
    with contents_of(path, "is not an Arrow file, or is damaged"), pa.BufferReader(mapped) as source:
        yield (ipc.open_file(source) if head == b"ARROW1" else ipc.open_stream(source)), source


def _record_batches(reader: _Reader, source: pa.NativeFile, path: Path) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, ipc.RecordBatchFileReader):
        yield from map(reader.get_batch, range(reader.num_record_batches))
        return
    yield from reader
    end = source.tell()
    while rest := source.read(1 << 20):
        if rest.strip(b"\0"):
            raise InputError(
                f"{path}: goes on after the end of its stream, at byte {end}. If it is several files in one, "
                "write their rows to one file first; else it is damaged"
            )
