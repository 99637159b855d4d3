"""Parquet, in row groups of bounded size. The footer is written when the block ends, even after an error."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.results.base import Target, Write

GROUP_ROWS = 20_000
GROUP_BYTES = 32 << 20
"""Memory limits: rows and bytes per row group."""

LARGE = "output"
"""The column without statistics. The least and the greatest output help nobody, and to find them takes several times
the memory of an output."""


@contextmanager
def open_parquet(target: Target) -> Iterator[Write]:
    """Open a Parquet file."""
    statistics = [name for name in target.schema.names if name != LARGE]
    with pq.ParquetWriter(target.file, target.schema, compression="zstd", write_statistics=statistics) as writer:
        groups = _Groups(writer, target.schema)
        yield groups.add
        groups.flush()


class _Groups:
    """Collects rows until they make a row group."""

    def __init__(self, writer: pq.ParquetWriter, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Write these rows, perhaps later."""
        self._waiting.append(batch)
        self._bytes += batch.nbytes
        if self._bytes >= GROUP_BYTES or sum(map(len, self._waiting)) >= GROUP_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            group = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(group, row_group_size=group.num_rows)
            self._waiting, self._bytes = [], 0
