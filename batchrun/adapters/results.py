"""Writing `outputs.parquet` and `errors.parquet`: the input's columns, read again, and what became of each row."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from operator import attrgetter
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.files import replacing
from batchrun.adapters.tables.base import Batch, Table
from batchrun.adapters.tables.ours import Ours, new_names
from batchrun.adapters.tables.values import as_text
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.errors import BugError, StorageError

OUTPUTS = "outputs.parquet"
ERRORS = "errors.parquet"

GROUP_ROWS = 20_000
GROUP_BYTES = 64 << 20
PIECE_CHARACTERS = 16 << 20
"""How much is held at most: rows and bytes of one row group, and characters of outputs on their way to it."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One row of either file.

    Completed rows have an `output`, JSON text, and what was `selected` of it; `reused_from` is the directory of the job
    that a row was taken over from.
    """

    row: Row
    output: str | None = None
    selected: tuple[object, ...] = ()
    reused_from: str | None = None


@dataclass(frozen=True, slots=True)
class Written:
    """How many rows each file got."""

    outputs: int
    errors: int


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    type: pa.DataType
    value: Callable[[Ended], object]


def _of_row(name: str, kind: pa.DataType) -> _Column:
    return _Column(name, kind, attrgetter(f"row.{name}"))


def _of_problem(name: str, kind: pa.DataType, attribute: str) -> _Column:
    return _Column(name, kind, lambda ended: ended.row.problem and getattr(ended.row.problem, attribute))


def _selected(place: int, field: pa.Field) -> _Column:
    return _Column(field.name, field.type, lambda ended: ended.selected[place])


_TIME = pa.timestamp("ms", "UTC")
_RUN_ID = _of_row("run_id", pa.string())
_OUTPUT = _Column("output", pa.string(), attrgetter("output"))
_COMMON = (
    _of_row("status", pa.string()),
    _of_row("attempts", pa.int32()),
    _of_row("polls", pa.int32()),
    _of_row("submitted_at", _TIME),
    _of_row("finished_at", _TIME),
    _of_row("created_at", _TIME),
    _of_row("updated_at", _TIME),
)
_PROBLEM = (
    _of_row("state", pa.string()),
    _of_problem("error_kind", pa.string(), "kind"),
    _of_problem("error_code", pa.string(), "code"),
    _of_problem("error_message", pa.string(), "message"),
    _of_problem("http_status", pa.int32(), "http_status"),
)
_REUSED_FROM = _Column("reused_from", pa.string(), attrgetter("reused_from"))
_OF_ERRORS = (_RUN_ID, *_COMMON, *_PROBLEM)


def names_in_use(columns: Sequence[str], key: str | None) -> frozenset[str]:
    """What no further column can be named: our names in either file, and those of the input, in it and in our files.

    That of `--reuse` too, which may come with any later command.
    """
    ours = _ours(key, reuse=True)
    return ours | {*columns, *new_names(columns, ours).values()}


def write_results(
    table: Table,
    records: Iterable[Ended],
    folder: Path,
    key: str | None,
    selected: Sequence[pa.Field] = (),
    *,
    reuse: bool = False,
) -> Written:
    """Write both files, each whole or not at all, in bounded memory.

    `records` are the rows that ended or are in doubt, in ascending order; with `key`, the column of that name is
    also written as text. `selected` are the columns of what was taken out of the outputs, with new names; with `reuse`
    there is one more of where a row was taken over from. Raises `StorageError` where a file cannot be written, or the
    input is not the one that the records are of; what was there before then stays.
    """
    of_outputs, ours = _of_outputs(selected, reuse=reuse), _ours(key, reuse=reuse)
    with (
        replacing(folder / OUTPUTS, folder / ERRORS, mode=0o666) as (outputs_file, errors_file),
        _Sink(outputs_file, _schema(table, of_outputs, ours, key), of_outputs) as outputs,
        _Sink(errors_file, _schema(table, _OF_ERRORS, ours, key), _OF_ERRORS) as errors,
    ):
        for batch, piece in _pieces(table, records):
            carried = _carried(batch, key)
            outputs.add(carried, batch.start, [ended for ended in piece if ended.row.state is State.COMPLETED])
            errors.add(carried, batch.start, [ended for ended in piece if ended.row.state is not State.COMPLETED])
    return Written(outputs.rows, errors.rows)


def results_table(
    table: Table,
    records: Iterable[Ended],
    key: str | None,
    selected: Sequence[pa.Field] = (),
    *,
    errors: bool,
    reuse: bool = False,
) -> pa.Table:
    """What one of the two files would hold if these were all of its rows: for a few of them, in memory."""
    file = BytesIO()
    columns = _OF_ERRORS if errors else _of_outputs(selected, reuse=reuse)
    with _Sink(file, _schema(table, columns, _ours(key, reuse=reuse), key), columns) as sink:
        for batch, piece in _pieces(table, records):
            sink.add(_carried(batch, key), batch.start, piece)
    return pq.ParquetFile(file).read()


def _of_outputs(selected: Sequence[pa.Field], *, reuse: bool) -> Sequence[_Column]:
    columns = (_RUN_ID, _OUTPUT, *map(_selected, range(len(selected)), selected), *_COMMON)
    return (*columns, _REUSED_FROM) if reuse else columns


def _pieces(table: Table, records: Iterable[Ended]) -> Iterator[tuple[Batch, list[Ended]]]:
    """The records beside the batch that holds their rows; input without records is not read."""
    left = iter(records)
    ended = next(left, None)
    if ended is None:
        return
    for batch in table.batches(ended.row.row):
        end, last = batch.start + len(batch), batch.start - 1
        piece, characters = list[Ended](), 0
        while ended is not None and ended.row.row < end:
            if ended.row.row <= last:
                raise BugError(f"row {ended.row.row} came after row {last}: results must be in the order of the input")
            piece.append(ended)
            last, characters = ended.row.row, characters + len(ended.output or "")
            ended = next(left, None)
            if characters >= PIECE_CHARACTERS:
                yield batch, piece
                piece, characters = [], 0
        if piece:
            yield batch, piece
        if ended is None:
            return
    raise StorageError(
        f"{table.path}: has no row {ended.row.row} any more, but its result is recorded.\n"
        "Put the input back as it was and run the same command again."
    )


class _Sink:
    """One of the two files while it is written; its footer is written when the block ends, with or without error."""

    def __init__(self, file: IO[bytes], schema: pa.Schema, columns: Sequence[_Column]) -> None:
        self.rows = 0
        self._columns = columns
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

    def add(self, carried: pa.RecordBatch, start: int, records: list[Ended]) -> None:
        """Write these rows; `carried` are the columns that stand before ours, of all rows from `start` on."""
        if not records:
            return
        if len(records) < carried.num_rows:
            carried = carried.take(pa.array([ended.row.row - start for ended in records], pa.int64()))
        own = [pa.array(list(map(column.value, records)), column.type) for column in self._columns]
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


def _schema(table: Table, columns: Sequence[_Column], ours: frozenset[str], key: str | None) -> pa.Schema:
    first = [pa.field("row", pa.int64())] + ([] if key is None else [pa.field("key", pa.string())])
    names = new_names(table.columns, ours)
    inputs = [field.with_name(names[field.name]) for field in table.schema]
    added = [pa.field(column.name, column.type) for column in columns]
    renamed = {new: old for old, new in names.items() if new != old}
    return Ours(ours | {field.name for field in added}, renamed, table.restore).mark(
        pa.schema([*first, *inputs, *added])
    )
