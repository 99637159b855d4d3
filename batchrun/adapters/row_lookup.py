"""Look up a single row that is not in progress."""

import asyncio
import sqlite3
from collections.abc import Sequence

from batchrun.adapters.checkpoint import reader
from batchrun.adapters.tables import Table
from batchrun.domain.row import Row
from batchrun.errors import StorageError


class RowLookup:
    """`ports.Lookup` over a checkpoint that is open for reading, and the input."""

    def __init__(self, db: sqlite3.Connection, table: Table, columns: tuple[str, ...]) -> None:
        self._db = db
        self._table = table
        self._columns = columns
        self._one_at_a_time = asyncio.Lock()

    def find(self, row: int) -> Row | None:
        """The recorded row, or None if it has no record."""
        return reader.between(self._db, row, row + 1).get(row)

    def completed(self) -> Row | None:
        """The last completed row that a request of this job submitted, and that has a run_id."""
        return reader.last_completed(self._db)

    def reference(self, digest: str) -> tuple[str, int] | None:
        """The recorded reference of the file with this digest, and when it was uploaded (UTC milliseconds)."""
        return reader.upload(self._db, digest)

    async def values(self, row: int) -> Sequence[object]:
        """The input values of the row. Reads the file in a thread, for one call at a time."""
        async with self._one_at_a_time:
            return await asyncio.get_running_loop().run_in_executor(None, self._values, row)

    def _values(self, row: int) -> Sequence[object]:
        for batch in self._table.batches(row):
            if batch.start <= row < batch.start + len(batch):
                return batch.values(self._columns)[row - batch.start]
        raise StorageError(f"row {row} is not in the input any more")
