"""Arrow's own files (`.arrow`, `.feather`), as a file or as a stream. They are mapped and not read into memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from batchrun.adapters.tables.arrow_values import ArrowBatch
from batchrun.adapters.tables.base import BATCH_BYTES, BATCH_ROWS, Source, stamp, watched
from batchrun.adapters.tables.columnar import ColumnarTable, columns_of, contents_of
from batchrun.errors import InputError


class ArrowTable(ColumnarTable):
    """An Arrow file, as `base.Table` has it."""

    def batches(self, start: int = 0) -> Iterator[ArrowBatch]:
        return watched(self.path, self.stamp, self._batches(start))

    def _batches(self, start: int) -> Iterator[ArrowBatch]:
        first = 0
        with _opened(self.path) as reader:
            for read in _record_batches(reader):
                step = max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1.0, read.nbytes / max(1, read.num_rows)))))
                for place in range(max(0, start - first), read.num_rows, step):
                    yield ArrowBatch(
                        first + place, self.found.of(read.slice(place, step), self.path), self.found.carried
                    )
                first += read.num_rows


def open_arrow(source: Source) -> ArrowTable:
    """Open an Arrow file; reads its schema only."""
    opened = stamp(source.path)
    with _opened(source.path) as reader:
        found = reader.schema
    return ArrowTable(source.path, opened, columns_of(source.path, found))


@contextmanager
def _opened(path: Path) -> Iterator[ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader]:
    """A reader of the file; raises `InputError` where it cannot be one, or is damaged."""
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
