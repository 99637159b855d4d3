"""Parquet files. For our own results, the added columns are dropped and renamed columns get their names back."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow.parquet as pq

from batchrun.adapters.tables.arrow_values import ArrowBatch
from batchrun.adapters.tables.base import BATCH_BYTES, BATCH_ROWS, Source, disk_errors
from batchrun.adapters.tables.columnar import ColumnarTable, columns_of, contents_of, refuse_damage
from batchrun.adapters.tables.input_file import InputFile
from batchrun.adapters.tables.storable_types import holds_dictionary
from batchrun.errors import InputError


@dataclass(frozen=True, slots=True)
class ParquetTable(ColumnarTable):
    """A `base.Table` over a Parquet file. `rows`: its number of rows."""

    rows: int

    def batches(self, start: int = 0) -> Iterator[ArrowBatch]:
        return disk_errors(self.path, self._batches(start))

    def _batches(self, start: int) -> Iterator[ArrowBatch]:
        with contents_of(self.path, "the Parquet file is damaged"), _open(self.files[0]) as file:
            first, groups = _groups_from(file.metadata, start)
            dictionaries = [number for number, field in enumerate(file.schema_arrow) if holds_dictionary(field.type)]
            for read in file.iter_batches(_batch_rows(file.metadata), row_groups=groups, use_threads=False):
                skipped = min(max(0, start - first), read.num_rows)
                if skipped < read.num_rows:
                    refuse_damage(self.path, first, read, dictionaries)
                    for row, piece in self.pieces(first + skipped, read.slice(skipped)):
                        yield ArrowBatch(
                            row, self.input_columns.of(piece, self.path), self.input_columns.results_schema
                        )
                first += read.num_rows
            if first != self.rows and start < self.rows:
                what = f"it holds {first:,} rows, but says that there are {self.rows:,}"
                raise InputError(f"{self.path}: the Parquet file is damaged: {what}")


def open_parquet(source: Source, *, keep_open: bool = True) -> ParquetTable:
    """Open a Parquet file, reading only its footer. `keep_open`: see `InputFile`."""
    path, input_file = source.path, InputFile(source.path, keep_open=keep_open)
    with contents_of(path, "is not a Parquet file, or is damaged"), _open(input_file) as file:
        found, rows = file.schema_arrow, file.metadata.num_rows
    return ParquetTable(path, (input_file,), columns_of(path, found, source.named), rows)


@contextmanager
def _open(file: InputFile) -> Iterator[pq.ParquetFile]:
    # Read page by page. By default pyarrow prefetches whole row groups of any size. None of pyarrow's threads may read,
    # because one of them could release a Python object while the interpreter exits, which ends the process.
    with (
        file.reader() as source,
        pq.ParquetFile(source, pre_buffer=False, buffer_size=1 << 20, page_checksum_verification=True) as opened,
    ):
        yield opened


def _groups_from(metadata: pq.FileMetaData, start: int) -> tuple[int, list[int]]:
    """The number of the first row in the row groups that contain rows from `start` on, and these row groups."""
    first = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if first + rows > start:
            return first, list(range(group, metadata.num_row_groups))
        first += rows
    return first, []


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """The rows per batch that keep it within `BATCH_BYTES`, judging by the row group with the largest rows."""
    groups = (metadata.row_group(group) for group in range(metadata.num_row_groups))
    widest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=0)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1, widest))))
