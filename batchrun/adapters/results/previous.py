"""The input columns of rows whose input cannot be read any more, from the result files that were written before."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.tables.arrow_values import ArrowBatch, rows_without_columns
from batchrun.adapters.tables.base import BATCH_ROWS, Table
from batchrun.adapters.tables.columnar import Columns, columns_of
from batchrun.adapters.tables.footer import RestoredTypes, ResultsFooter
from batchrun.adapters.tables.input_file import InputFile
from batchrun.domain.filenames import RESULTS
from batchrun.domain.fingerprint import FileStamp, Inference
from batchrun.errors import InputError

_ROW = "row"


@dataclass(frozen=True, slots=True)
class _Part:
    """A result file: the row numbers, and the input columns under the names of the input."""

    path: Path
    columns: Columns

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in ascending order, with the column `row` first."""
        with pq.ParquetFile(self.path, pre_buffer=False, buffer_size=1 << 20) as file:
            for read in file.iter_batches(BATCH_ROWS, use_threads=False):
                arrays = [read.column(_ROW), *(read.column(position) for position in self.columns.positions)]
                yield pa.RecordBatch.from_arrays(arrays, names=list(map(str, range(len(arrays)))))


@dataclass(frozen=True, slots=True)
class PreviousResults:
    """A `base.Table` of the rows in result files. Every other row has nulls.

    `path`: the input. `stamp`: that of the input when it was read last.
    """

    path: Path
    stamp: FileStamp
    schema: pa.Schema
    restore: RestoredTypes
    parts: tuple[_Part, ...]
    unsendable: Mapping[str, str] = field(default_factory=dict)
    needs_inference: bool = False
    files: Sequence[InputFile] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(self.schema.names)

    def with_inference(self, inference: Inference) -> "PreviousResults":  # noqa: ARG002 - nothing was inferred
        return self

    def batches(self, start: int = 0) -> Iterator[ArrowBatch]:
        """Batches without an end, because the number of rows is not known here."""
        with ExitStack() as stack:
            pieces = [_Pieces(part.batches(), self.schema) for part in self.parts]
            for piece in pieces:
                stack.callback(piece.close)
            while True:
                found = list(chain.from_iterable(piece.take(start, start + BATCH_ROWS) for piece in pieces))
                rows = pa.Table.from_batches(found) if found else None
                yield ArrowBatch(start, _filled(start, rows, self.schema))
                start += BATCH_ROWS


class _Pieces:
    """The rows of a file, taken in ascending ranges."""

    def __init__(self, batches: Iterator[pa.RecordBatch], schema: pa.Schema) -> None:
        self._batches = batches
        self._schema = pa.schema([(_ROW, pa.int64()), *schema])
        self._rest: pa.RecordBatch | None = None

    def take(self, start: int, stop: int) -> list[pa.RecordBatch]:
        """The rows from `start` up to but excluding `stop`."""
        taken: list[pa.RecordBatch] = []
        while (batch := self._rest or next(self._batches, None)) is not None and batch.num_rows:
            numbers = batch.column(0)
            below = sum(1 for number in numbers.to_pylist() if number < stop)
            part = batch.slice(0, below)
            self._rest = batch.slice(below) if below < batch.num_rows else None
            if below and numbers[below - 1].as_py() >= start:
                taken.append(pa.RecordBatch.from_arrays(part.columns, schema=self._schema))
            if self._rest is not None:
                break
        return taken

    def close(self) -> None:
        """Close the file."""
        close = getattr(self._batches, "close", None)
        if close is not None:
            close()


def _filled(start: int, found: pa.Table | None, schema: pa.Schema) -> pa.RecordBatch:
    """A batch from row `start` on, with nulls for rows that were not found."""
    if not len(schema):
        return rows_without_columns(BATCH_ROWS)
    if found is None:
        return pa.RecordBatch.from_arrays([pa.nulls(BATCH_ROWS, one.type) for one in schema], schema=schema)
    places: list[int | None] = [None] * BATCH_ROWS
    for place, number in enumerate(found.column(0).to_pylist()):
        if start <= number < start + BATCH_ROWS:
            places[number - start] = place
    taken = found.combine_chunks().take(pa.array(places, pa.int64())).to_batches()[0]
    return pa.RecordBatch.from_arrays(taken.columns[1:], schema=schema)


def previous_results(path: Path, stamp: FileStamp, folder: Path, recorded: str | None, key: str | None) -> Table:
    """The table for the job in `folder`, whose input is `path`.

    Its columns are those of the result files, else those that the checkpoint has `recorded`; else only the `key`.
    """
    parts = []
    for name in RESULTS:
        with suppress(OSError, pa.ArrowException, InputError), pq.ParquetFile(folder / name) as file:
            found = file.schema_arrow
            if ResultsFooter.of(found).added:
                parts.append(_Part(folder / name, columns_of(folder / name, found)))
    if parts:
        columns = parts[0].columns
        parts = [part for part in parts if part.columns.results_schema == columns.results_schema]
        return PreviousResults(path, stamp, columns.results_schema, columns.read_as, tuple(parts))
    if recorded is not None:
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(recorded)))
        restore = ResultsFooter.of(schema).restore
        return PreviousResults(path, stamp, schema.remove_metadata(), restore, ())
    names = [] if key is None else [key]
    return PreviousResults(path, stamp, pa.schema([(name, pa.string()) for name in names]), RestoredTypes(), ())


def columns_recorded(text: str) -> tuple[set[str], frozenset[str]]:
    """The names of the columns that `recorded_columns` has recorded, and of those that some rows do not have."""
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(text)))
    return set(schema.names), ResultsFooter.of(schema).restore.absent


def recorded_columns(table: Table) -> str:
    """The input columns as text for the checkpoint."""
    schema = ResultsFooter(frozenset(), {}, table.restore).write_to(table.schema)
    return base64.b64encode(schema.serialize()).decode()
