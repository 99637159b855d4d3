"""Arrow IPC files (`.arrow`, `.feather`), in the file or the stream format. They are memory-mapped."""

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
from pyarrow import ipc

from batchrun.adapters.tables.arrow_values import ArrowBatch
from batchrun.adapters.tables.base import BATCH_BYTES, BATCH_ROWS, Source, disk_errors
from batchrun.adapters.tables.columnar import ColumnarTable, columns_of, contents_of
from batchrun.adapters.tables.input_file import InputFile
from batchrun.errors import InputError


class ArrowTable(ColumnarTable):
    """A `base.Table` over an Arrow file."""

    def batches(self, start: int = 0) -> Iterator[ArrowBatch]:
        return disk_errors(self.path, self._batches(start))

    def _batches(self, start: int) -> Iterator[ArrowBatch]:
        first, file = 0, self.files[0]
        with _opened(file) as reader:
            for read in _record_batches(reader):
                step = max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1.0, read.nbytes / max(1, read.num_rows)))))
                for position in range(max(0, start - first), read.num_rows, step):
                    file.refuse_change()
                    yield ArrowBatch(
                        first + position,
                        self.input_columns.of(read.slice(position, step), self.path),
                        self.input_columns.results_schema,
                    )
                first += read.num_rows


def open_arrow(source: Source) -> ArrowTable:
    """Open an Arrow file, reading only its schema."""
    file = InputFile(source.path)
    with _opened(file) as reader:
        found = reader.schema
    return ArrowTable(source.path, (file,), columns_of(source.path, found, source.named))


@contextmanager
def _opened(file: InputFile) -> Iterator[ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader]:
    """Open a reader. Raises `InputError` if the file is not an Arrow file or is damaged."""
    path = file.path
    with file.opened() as descriptor:
        head = os.pread(descriptor, 6, 0)
        size = min(file.stamp.size, os.fstat(descriptor).st_size)
        mapped = mmap.mmap(descriptor, size, prot=mmap.PROT_READ) if size else b""
    if head.startswith(b"FEA1"):
        raise InputError(f"{path}: is Feather version 1, which is no longer read. Write it again as version 2")
    with contents_of(path, "is not an Arrow file, or is damaged"), pa.BufferReader(mapped) as source:
        yield ipc.open_file(source) if head == b"ARROW1" else ipc.open_stream(source)


def _record_batches(reader: ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, ipc.RecordBatchFileReader):
        yield from map(reader.get_batch, range(reader.num_record_batches))
    else:
        yield from reader
