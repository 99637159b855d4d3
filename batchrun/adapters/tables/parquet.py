"""Parquet, our own results among them: columns that we added to them are dropped, and prefixes undone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from batchrun.adapters.tables.arrow_values import ArrowBatch
from batchrun.adapters.tables.base import BATCH_BYTES, BATCH_ROWS, Source, stamp, watched
from batchrun.adapters.tables.columnar import ColumnarTable, columns_of, contents_of


@dataclass(frozen=True, slots=True)
class ParquetTable(ColumnarTable):
    """A Parquet file, as `base.Table` has it; `rows` is how many it has."""

    rows: int

    def batches(self, start: int = 0) -> Iterator[ArrowBatch]:
        return watched(self.path, self.stamp, self._batches(start))

    def _batches(self, start: int) -> Iterator[ArrowBatch]:
        with contents_of(self.path, "the Parquet file is damaged"), _open(self.path) as file:
            first, groups = _groups_from(file.metadata, start)
            for read in file.iter_batches(_batch_rows(file.metadata), row_groups=groups):
                skipped = min(max(0, start - first), read.num_rows)
                if skipped < read.num_rows:
                    yield ArrowBatch(first + skipped, self.found.of(read.slice(skipped), self.path), self.found.carried)
                first += read.num_rows


def open_parquet(source: Source) -> ParquetTable:
    """Open a Parquet file; reads its footer only."""
    opened = stamp(source.path)
    with contents_of(source.path, "is not a Parquet file, or is damaged"), _open(source.path) as file:
        found, rows = file.schema_arrow, file.metadata.num_rows
    return ParquetTable(source.path, opened, columns_of(source.path, found), rows)


def _open(path: Path) -> pq.ParquetFile:
    # Read page by page: by default whole row groups are fetched ahead, however large they are.
    return pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)


def _groups_from(metadata: pq.FileMetaData, start: int) -> tuple[int, list[int]]:
    """The row groups that hold rows from `start` on, and the number of the first row in them."""
    first = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if first + rows > start:
            return first, list(range(group, metadata.num_row_groups))
        first += rows
    return first, []


def _batch_rows(metadata: pq.FileMetaData) -> int:
    """As many rows as keep a batch within its bytes, going by the row group with the largest rows."""
    groups = (metadata.row_group(group) for group in range(metadata.num_row_groups))
    widest = max((group.total_byte_size / max(1, group.num_rows) for group in groups), default=0)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1, widest))))
