"""Writing `outputs.parquet` and `errors.parquet`: the input's columns, read again, and what became of each row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.checkpoint.results_reader import ResultRow
from batchrun.adapters.files.atomic import replacing
from batchrun.adapters.results.selections import NOTHING, Columns
from batchrun.adapters.tables.arrow_values import as_text
from batchrun.adapters.tables.base import Batch, Table
from batchrun.adapters.tables.footer import ResultsFooter, new_names
from batchrun.domain.filenames import ERRORS, OUTPUTS
from batchrun.domain.states import State
from batchrun.errors import BugError, StorageError

GROUP_ROWS = 20_000
GROUP_BYTES = 64 << 20
PIECE_ROWS, PIECE_CHARACTERS = 2_000, 16 << 20
"""How much is held at most: rows and bytes of one row group, and characters of outputs on their way to it."""


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows each file got."""

    outputs: int
    errors: int


_TIME = pa.timestamp("ms", "UTC")
_RUN_ID = pa.field("run_id", pa.string())
_OUTPUT = pa.field("output", pa.string())
_COMMON = (
    pa.field("status", pa.string()),
    pa.field("attempts", pa.int32()),
    pa.field("polls", pa.int32()),
    pa.field("submitted_at", _TIME),
    pa.field("finished_at", _TIME),
    pa.field("created_at", _TIME),
    pa.field("updated_at", _TIME),
)
_PROBLEM = (
    pa.field("state", pa.string()),
    pa.field("error_kind", pa.string()),
    pa.field("error_code", pa.string()),
    pa.field("error_message", pa.string()),
    pa.field("http_status", pa.int32()),
)
_REUSED_FROM = pa.field("reused_from", pa.string())
_OF_ERRORS = (_RUN_ID, *_COMMON, *_PROBLEM)
"""Our columns, under the names that `ResultRow` has for them."""


def names_in_use(columns: Sequence[str], key: str | None) -> frozenset[str]:
    """What no further column can be named: our names in either file, and those of the input, in it and in our files.

    That of `--reuse` too, which may come with any later command.
    """
    ours = _ours(key, reuse=True)
    return ours | {*columns, *new_names(columns, ours).values()}


def write_results(
    table: Table,
    records: Iterable[ResultRow],
    folder: Path,
    key: str | None,
    selected: Columns = NOTHING,
    *,
    reuse: bool = False,
) -> Written:
    """Write both files, each whole or not at all, in bounded memory.

    `records` are the rows that ended or are in doubt, in ascending order; with `key`, the column of that name is
    also written as text. `selected` are columns of what is taken out of the outputs, with new names; with `reuse` there
    is one more of where a row was taken over from. Raises `StorageError` where a file cannot be written, or the
    input is not the one that the records are of; what was there before then stays.
    """
    of_outputs, ours = _of_outputs(selected, reuse=reuse), _ours(key, reuse=reuse)
    with (
        replacing(folder / OUTPUTS, folder / ERRORS, mode=0o666) as (outputs_file, errors_file),
        _Sink(outputs_file, _schema(table, of_outputs, ours, key), of_outputs, selected) as outputs,
        _Sink(errors_file, _schema(table, _OF_ERRORS, ours, key), _OF_ERRORS) as errors,
    ):
        for batch, piece in _pieces(table, records):
            carried = _carried(batch, key)
            outputs.add(carried, batch.start, [ended for ended in piece if ended.state == State.COMPLETED])
            errors.add(carried, batch.start, [ended for ended in piece if ended.state != State.COMPLETED])
    return Written(outputs.rows, errors.rows)


def results_table(
    table: Table,
    records: Iterable[ResultRow],
    key: str | None,
    selected: Columns = NOTHING,
    *,
    errors: bool,
    reuse: bool = False,
) -> pa.Table:
    """What one of the two files would hold if these were all of its rows: for a few of them, in memory."""
    file = BytesIO()
    columns = _OF_ERRORS if errors else _of_outputs(selected, reuse=reuse)
    with _Sink(file, _schema(table, columns, _ours(key, reuse=reuse), key), columns, selected) as sink:
        for batch, piece in _pieces(table, records):
            sink.add(_carried(batch, key), batch.start, piece)
    # In this thread alone: another one of pyarrow's would let go of what is Python's a moment later, and where the
    # interpreter is at its end by then, that ends the process with a signal.
    return pq.ParquetFile(file, pre_buffer=False).read(use_threads=False)


def _of_outputs(selected: Columns, *, reuse: bool) -> Sequence[pa.Field]:
    columns = (_RUN_ID, _OUTPUT, *selected.fields, *_COMMON)
    return (*columns, _REUSED_FROM) if reuse else columns


def _pieces(table: Table, records: Iterable[ResultRow]) -> Iterator[tuple[Batch, list[ResultRow]]]:
    """The records beside the batch that holds their rows; input without records is not read."""
    batches: Iterator[tuple[int, Batch]] | None = None
    batch: Batch | None = None
    end = last = -1
    piece, characters = list[ResultRow](), 0
    for ended in records:
        row = ended.row
        if row <= last:
            raise BugError(f"row {row} came after row {last}: results must be in the order of the input")
        if (row >= end or characters >= PIECE_CHARACTERS or len(piece) >= PIECE_ROWS) and batch is not None and piece:
            yield batch, piece
            piece, characters = [], 0
        if row >= end:
            batches = batches or ((batch.start + len(batch), batch) for batch in table.batches(row))
            end, batch = _reaching(row, batches, table)
        piece.append(ended)
        last = row
        characters += len(ended.output or "")
    if batch is not None and piece:
        yield batch, piece


def _reaching(row: int, batches: Iterator[tuple[int, Batch]], table: Table) -> tuple[int, Batch]:
    """The first batch whose end lies behind `row`."""
    for end, batch in batches:
        if row < end:
            return end, batch
    raise StorageError(
        f"{table.path}: has no row {row} any more, but its result is recorded.\n"
        "Put the input back as it was and run the same command again."
    )


class _Sink:
    """One of the two files while it is written; its footer is written when the block ends, with or without error."""

    def __init__(
        self, file: IO[bytes], schema: pa.Schema, columns: Sequence[pa.Field], selected: Columns = NOTHING
    ) -> None:
        self.rows = 0
        self._columns = columns
        self._selected = selected
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = 0
        self._schema = schema
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd")

    def __enter__(self) -> "_Sink":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
        finally:
            self._writer.close()

    def add(self, carried: pa.RecordBatch, start: int, records: list[ResultRow]) -> None:
        """Write these rows; `carried` are the columns that stand before ours, of all rows from `start` on."""
        if not records:
            return
        if len(records) < carried.num_rows:
            carried = carried.take(pa.array([ended.row - start for ended in records], pa.int64()))
        values = dict(zip(ResultRow._fields, zip(*records, strict=True), strict=True))
        if fields := self._selected.fields:
            taken = zip(*map(self._selected.values, values["output"]), strict=True)
            values |= zip((field.name for field in fields), taken, strict=True)
        own = [pa.array(values[column.name], column.type) for column in self._columns]
        arrays = [*carried.columns, *own]
        batch = pa.RecordBatch.from_arrays(arrays, schema=self._schema)
        self._waiting.append(batch)
        self._bytes += batch.nbytes
        self.rows += len(records)
        if self._bytes >= GROUP_BYTES or sum(map(len, self._waiting)) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            group = pa.Table.from_batches(self._waiting, self._schema)
            self._writer.write_table(group, row_group_size=group.num_rows)
            self._waiting, self._bytes = [], 0


def _carried(batch: Batch, key: str | None) -> pa.RecordBatch:
    """Number, key and input of every row of a batch."""
    inputs = batch.arrow()
    arrays = [pa.array(range(batch.start, batch.start + len(batch)), pa.int64()), *inputs.columns]
    if key is not None:
        keys = [None if value is None else as_text(value) for (value,) in batch.values([key])]
        arrays.insert(1, pa.array(keys, pa.string()))
    return pa.RecordBatch.from_arrays(arrays, names=[str(place) for place in range(len(arrays))])


def _ours(key: str | None, *, reuse: bool) -> frozenset[str]:
    """The names of our columns in either file, for which the input's make room."""
    first = {"row"} if key is None else {"row", "key"}
    last = {_REUSED_FROM.name} if reuse else set[str]()
    return frozenset(first | last | {column.name for column in (_OUTPUT, *_OF_ERRORS)})


def _schema(table: Table, columns: Sequence[pa.Field], ours: frozenset[str], key: str | None) -> pa.Schema:
    first = [pa.field("row", pa.int64())] + ([] if key is None else [pa.field("key", pa.string())])
    names = new_names(table.columns, ours)
    inputs = [field.with_name(names[field.name]) for field in table.schema]
    renamed = {new: old for old, new in names.items() if new != old}
    return ResultsFooter(ours | {column.name for column in columns}, renamed, table.restore).write_to(
        pa.schema([*first, *inputs, *columns])
    )
