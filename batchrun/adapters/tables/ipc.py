"""Arrow's own files (`.arrow`, `.feather`), as a file or as a stream. They are mapped and not read into memory."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from batchrun.adapters.tables.base import BATCH_BYTES, BATCH_ROWS, FileStamp, Source, stamp, watched
from batchrun.adapters.tables.columnar import Columns, columns_of, one_line
from batchrun.adapters.tables.ours import Restore
from batchrun.adapters.tables.survey import Survey
from batchrun.adapters.tables.values import ArrowBatch
from batchrun.errors import InputError


@dataclass(frozen=True, slots=True)
class ArrowTable:
    """An Arrow file, as `base.Table` has it."""

    path: Path
    stamp: FileStamp
    found: Columns
    needs_survey: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        return self.found.names

    @property
    def schema(self) -> pa.Schema:
        return self.found.carried

    @property
    def unsendable(self) -> Mapping[str, str]:
        return self.found.unsendable

    @property
    def restore(self) -> Restore:
        return self.found.restore

    @property
    def read_as(self) -> Restore:
        return self.found.read_as

    def surveyed(self, survey: Survey) -> "ArrowTable":  # noqa: ARG002 - the schema says it all
        return self

    def batches(self, start: int = 0) -> Iterator[ArrowBatch]:
        return watched(self.path, self.stamp, self._batches(start))

    def _batches(self, start: int) -> Iterator[ArrowBatch]:
        first = 0
        with _opened(self.path) as reader:
            for read in _record_batches(reader):
                step = max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1.0, read.nbytes / max(1, read.num_rows)))))
                for place in range(max(0, start - first), read.num_rows, step):
                    yield ArrowBatch(first + place, self.found.of(read.slice(place, step)), self.found.carried)
                first += read.num_rows


def open_arrow(source: Source) -> ArrowTable:
    """Open an Arrow file; reads its schema only."""
    if source.delimiter is not None:
        raise InputError(f"{source.path}: --delimiter is for text inputs, and this one is read as Arrow")
    opened = stamp(source.path)
    with _opened(source.path) as reader:
        found = reader.schema
    return ArrowTable(source.path, opened, columns_of(source.path, found))


@contextmanager
def _opened(path: Path) -> Iterator[ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader]:
    """A reader of the file; raises `InputError` where it cannot be one, or is damaged."""
    try:
        with path.open("rb") as file:
            head = file.read(6)
        if head.startswith(b"FEA1"):
            raise InputError(f"{path}: is Feather version 1, which is no longer read. Write it again as version 2")
        with pa.memory_map(str(path)) as mapped:
            yield ipc.open_file(mapped) if head == b"ARROW1" else ipc.open_stream(mapped)
    except (OSError, pa.ArrowException) as error:
        if getattr(error, "errno", None) is not None:
            raise  # the disk's fault and not that of the contents
        raise InputError(f"{path}: is not an Arrow file, or is damaged: {one_line(error)}") from error


def _record_batches(reader: ipc.RecordBatchFileReader | ipc.RecordBatchStreamReader) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, ipc.RecordBatchFileReader):
        yield from map(reader.get_batch, range(reader.num_record_batches))
    else:
        yield from reader
