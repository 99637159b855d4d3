"""Result files in any format, written for tests, and the values that they should hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.results.base import Target
from batchrun.adapters.results.registry import open_result_file
from batchrun.adapters.results.writer import write_results
from batchrun.adapters.tables import Source, inspect, open_table
from batchrun.domain.result_formats import RESULT_FORMATS
from batchrun.domain.row import Row
from batchrun.domain.states import State
from tests.support.result_rows import result_row

AT = 1_700_000_000_123
"""2023-11-14T22:13:20.123Z in milliseconds."""


def written(table: pa.Table, folder: Path, name: str, **options: Any) -> Path:
    """A file with this table, in the format of this name."""
    form = RESULT_FORMATS[name]
    path = folder / form.file_name("outputs.parquet")
    with path.open("wb") as file, open_result_file(form, Target(path, file, table.schema, **options)) as write:
        for batch in table.to_batches(max_chunksize=2):
            write(batch)
    return path


def exported(source: Path, outputs: Sequence[str | None], name: str, **options: Any) -> tuple[Path, Path]:
    """Both result files of a job over `source`: a row with None as its output has failed."""
    table = inspect(open_table(Source(source, kinds=options.pop("kinds", {}))), None, None).table
    rows = [
        result_row(Row(row, State.FAILED if output is None else State.COMPLETED, submitted_at=AT), output)
        for row, output in enumerate(outputs)
    ]
    form = RESULT_FORMATS[name]
    write_results(table, rows, source.parent, None, form=form, **options)
    first, second = (source.parent / form.file_name(file) for file in ("outputs.parquet", "errors.parquet"))
    return first, second


def parquet_input(folder: Path, table: pa.Table) -> Path:
    """The table as an input."""
    pq.write_table(table, folder / "in.parquet")
    return folder / "in.parquet"
