"""What a table sends, for tests: the inputs of every row as the service gets them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.results.writer import write_results
from batchrun.adapters.tables import Source, Table, inspect, open_table
from batchrun.domain.column_mapping import map_columns
from batchrun.domain.row import Row
from batchrun.domain.states import State
from tests.support.result_rows import result_row


def opened(path: Path, **options: Any) -> Table:
    """Open and inspect a file as a job does."""
    return inspect(open_table(Source(path, **options)), None, None).table


def texts(table: Table, start: int = 0, skip: Sequence[str] = ()) -> list[str]:
    """The JSON text of the inputs of every row, or why it cannot be sent."""
    mapping = map_columns(table.columns, {}, skip, {}, None)
    found = []
    for batch in table.batches(start):
        for values in batch.values(mapping.columns):
            try:
                found.append(msgspec.json.encode(mapping.inputs(values)).decode())
            except ValueError as error:
                found.append(f"cannot be sent: {error}")
    return found


def inputs(table: Table, skip: Sequence[str] = ()) -> list[Any]:
    """The same as values; integers keep all their digits."""
    return [json.loads(text) if text.startswith("{") else text for text in texts(table, skip=skip)]


def results(table: Table, folder: Path, state: State = State.COMPLETED) -> tuple[Path, pa.Table]:
    """`outputs.parquet` (or `errors.parquet`) of a job whose rows all ended alike."""
    rows = sum(map(len, table.batches()))
    write_results(table, (result_row(Row(row, state), "{}") for row in range(rows)), folder, None)
    path = folder / ("outputs.parquet" if state is State.COMPLETED else "errors.parquet")
    return path, pq.read_table(path)
