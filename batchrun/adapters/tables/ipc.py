"""Arrow IPC files (`.arrow`, `.feather`), in the file or the stream format. They are memory-mapped."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from batchrun.adapters.tables.arrow_values import ArrowBatch
from batchrun.adapters.tables.base import BATCH_BYTES, BATCH_ROWS, Source, guard_against_change, stamp
from batchrun.adapters.tables.columnar import ColumnarTable, columns_of, contents_of
from batchrun.errors import InputError


class ArrowTable(ColumnarTable):
    """A `base.Table` over an Arrow file."""

    def batches(self, start: int = 0) -> Iterator[ArrowBatch]:
        return guard_against_change(self.path, self.stamp, self._batches(start))

    def _batches(self, start: int) -> Iterator[ArrowBatch]:
        first = 0
        with _opened(self.path) as reader:
            for read in _record_batches(reader):
                step = max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1.0, read.nbytes / max(1, read.num_rows)))))
                for position in range(max(0, start - first), read.num_rows, step):
                    yield ArrowBatch(
                        first + position,
                        self.input_columns.of(read.slice(position, step), self.path),
                        self.input_columns.results_schema,
                    )
                first += read.num_rows


def open_arrow(source: Source) -> ArrowTable:
    """Open an Arrow file, reading only its schema."""
    opened = stamp(source.path)
    with _opened(source.path) as reader:
        found = reader.schema
    return ArrowTable(source.path, opened, columns_of(source.path, found))


@contextmanager
def _opened(path: Path) -> Iterator[ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader]:
    """Open a reader. Raises `InputError` if the file is not an Arrow file or is damaged."""
    with path.open("rb") as file:
        head = file.read(6)
    if head.startswith(b"FEA1"):
        raise InputError(f"{path}: is Feather version 1, which is no longer read. Write it again as version 2")
    with contents_of(path, "is not an Arrow file, or is damaged"), pa.memory_map(str(path)) as mapped:
        yield ipc.open_file(mapped) if head == b"ARROW1" else ipc.open_stream(mapped)


def _record_batches(reader: ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, ipc.RecordBatchFileReader):
        yield from map(reader.get_batch, range(reader.num_record_batches))
    else:
        yield from reader
