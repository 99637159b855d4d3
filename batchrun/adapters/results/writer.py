"""Write the two result files, `outputs` and `errors`: the columns of the input and the result of each row."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.checkpoint.damage import ADVICE
from batchrun.adapters.checkpoint.results_reader import ResultRow
from batchrun.adapters.files.atomic import replacing
from batchrun.adapters.results.base import Target, Write
from batchrun.adapters.results.registry import open_result_file
from batchrun.adapters.results.selections import NO_COLUMNS, Columns
from batchrun.adapters.tables.arrow_values import as_text
from batchrun.adapters.tables.base import Batch, Table
from batchrun.adapters.tables.footer import ResultsFooter, new_names
from batchrun.domain.filenames import ERRORS, OUTPUTS
from batchrun.domain.result_formats import PARQUET, ResultFormat
from batchrun.domain.states import State
from batchrun.domain.sweep import PLAIN, Sweep
from batchrun.errors import BugError, StorageError, UnreadableInputError

PIECE_ROWS, PIECE_CHARACTERS = 2_000, 16 << 20
"""Memory limits: rows and characters of outputs per piece."""


@dataclass(frozen=True, slots=True)
class Written:
    """The number of rows written to each file."""

    outputs: int
    errors: int

    def __str__(self) -> str:
        return f"{self.outputs:,} completed and {self.errors:,} other"


_TIME = pa.timestamp("ms", "UTC")
ROW_FIELD = pa.field("row", pa.int64())
KEY_FIELD = pa.field("key", pa.string())
PLACE_FIELDS = (
    pa.field("input_row", pa.int64()),
    pa.field("variant", pa.string()),
    pa.field("repeat", pa.int32()),
)
"""The columns of a sweep."""
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
_DETAILS = (
    pa.field("debug_url", pa.string()),
    pa.field("log_id", pa.string()),
    pa.field("input_tokens", pa.int64()),
    pa.field("output_tokens", pa.int64()),
    pa.field("total_tokens", pa.int64()),
)
_REUSED_FROM = pa.field("reused_from", pa.string())
"""The result columns, named after the fields of `ResultRow` and `DetailedRow`."""


def names_in_use(
    columns: Sequence[str], key: str | None, *, details: bool = False, sweep: Sweep = PLAIN
) -> frozenset[str]:
    """The names that a selected column may not have: result columns, input columns, and renamed input columns.

    The column of `--reuse` is included, because a later command may add it. `details`: as in `write_results`.
    """
    own_names = _own_names(key, reuse=True, details=details, sweep=sweep)
    return own_names | {*columns, *new_names(columns, own_names).values()}


def write_results(
    table: Table,
    records: Iterable[ResultRow],
    folder: Path,
    key: str | None,
    selected: Columns = NO_COLUMNS,
    *,
    reuse: bool = False,
    details: bool = False,
    sweep: Sweep = PLAIN,
    form: ResultFormat = PARQUET,
    excel_safe: bool = False,
    expected: Written | None = None,
) -> Written:
    """Write both files atomically, in bounded memory, in the format `form`.

    `records`: the rows that have ended or are in doubt, in ascending order. `key`: the input column that is also
    written as the text column `key`. `selected`: columns extracted from the outputs. `reuse`: whether to add the column
    `reused_from`. `details`: whether each record is a `DetailedRow`, and to add columns for its details.
    `sweep`: adds columns for the place of each row in it. `excel_safe`: as in `Target`. Raises `StorageError` if a file
    cannot be written, the records do not match the input, or there are not as many as are `expected`; the previous
    files then stay.
    """
    outputs_columns = _outputs_columns(selected, reuse=reuse, details=details)
    errors_columns = _errors_columns(details=details)
    lead = _Lead(key, sweep)
    own_names = _own_names(key, reuse=reuse, details=details, sweep=sweep)
    outputs_schema = _schema(table, outputs_columns, own_names, lead)
    errors_schema = _schema(table, errors_columns, own_names, lead)
    outputs_path, errors_path = (folder / form.file_name(name) for name in (OUTPUTS, ERRORS))
    json = _json_inputs(outputs_schema)
    outputs_json = json | selected.json_names | {_OUTPUT.name}
    with (
        replacing(outputs_path, errors_path, mode=0o666) as (outputs_file, errors_file),
        open_result_file(
            form, Target(outputs_path, outputs_file, outputs_schema, outputs_json, excel_safe)
        ) as write_output,
        open_result_file(form, Target(errors_path, errors_file, errors_schema, json, excel_safe)) as write_error,
    ):
        outputs = _Rows(write_output, outputs_schema, outputs_columns, selected)
        errors = _Rows(write_error, errors_schema, errors_columns)
        for batch, piece in pieces(table, records):
            input_columns = lead.with_inputs(batch)
            outputs.add(input_columns, batch.start, [record for record in piece if record.state == State.COMPLETED])
            errors.add(input_columns, batch.start, [record for record in piece if record.state != State.COMPLETED])
        if expected is not None and expected != (written := Written(outputs.count, errors.count)):
            raise StorageError(
                f"{outputs_path}: is left as it was: the checkpoint is damaged, which counts {expected} rows and has "
                f"{written}. {ADVICE}; export --to writes what it has"
            )
    return Written(outputs.count, errors.count)


def results_table(
    table: Table,
    records: Iterable[ResultRow],
    key: str | None,
    selected: Columns = NO_COLUMNS,
    *,
    errors: bool,
    reuse: bool = False,
    details: bool = False,
    sweep: Sweep = PLAIN,
) -> pa.Table:
    """The contents of one of the two files for these rows, in memory; for a few rows only."""
    file = BytesIO()
    columns = _errors_columns(details=details) if errors else _outputs_columns(selected, reuse=reuse, details=details)
    lead, own_names = _Lead(key, sweep), _own_names(key, reuse=reuse, details=details, sweep=sweep)
    schema = _schema(table, columns, own_names, lead)
    with open_result_file(PARQUET, Target(Path(OUTPUTS), file, schema)) as write:
        rows = _Rows(write, schema, columns, selected)
        for batch, piece in pieces(table, records):
            rows.add(lead.with_inputs(batch), batch.start, piece)
    # Read without pyarrow's threads. One of them could release a Python object while the interpreter exits, which ends
    # the process with a signal.
    return pq.ParquetFile(file, pre_buffer=False).read(use_threads=False)


def _outputs_columns(selected: Columns, *, reuse: bool, details: bool) -> Sequence[pa.Field]:
    columns = (_RUN_ID, _OUTPUT, *selected.fields, *_COMMON, *(_DETAILS if details else ()))
    return (*columns, _REUSED_FROM) if reuse else columns


def _errors_columns(*, details: bool) -> Sequence[pa.Field]:
    return (_RUN_ID, *_COMMON, *(_DETAILS if details else ()), *_PROBLEM)


def pieces(table: Table, records: Iterable[ResultRow]) -> Iterator[tuple[Batch, list[ResultRow]]]:
    """Pairs of a batch and records of its rows. Input is read only from the first to the last record."""
    batches: Iterator[tuple[int, Batch]] | None = None
    batch: Batch | None = None
    end = last = -1
    piece, characters = list[ResultRow](), 0
    for record in records:
        row = record.row
        if row <= last:
            raise BugError(f"row {row} came after row {last}: results must be in the order of the input")
        if row >= end:
            if batch is not None and piece:
                yield batch, piece
                piece, characters = [], 0
            batches = batches or ((batch.start + len(batch), batch) for batch in table.batches(row))
            end, batch = _batch_with(row, batches, table)
        piece.append(record)
        last = row
        characters += len(record.output or "")
        if batch is not None and (characters >= PIECE_CHARACTERS or len(piece) >= PIECE_ROWS):
            del record
            yield batch, piece
            piece.clear()  # before the next output is read, as each may be large
            characters = 0
    if batch is not None and piece:
        yield batch, piece


def _batch_with(row: int, batches: Iterator[tuple[int, Batch]], table: Table) -> tuple[int, Batch]:
    """The batch that contains `row`, and its end."""
    for end, batch in batches:
        if row < end:
            return end, batch
    raise UnreadableInputError(
        f"{table.path}: has no row {row} any more, but its result is recorded.\n"
        "Put the input back as it was and run the same command again."
    )


class _Rows:
    """Makes the rows of one of the two files."""

    def __init__(
        self, write: Write, schema: pa.Schema, columns: Sequence[pa.Field], selected: Columns = NO_COLUMNS
    ) -> None:
        self.count = 0
        self._write = write
        self._schema = schema
        self._columns = columns
        self._selected = selected

    def add(self, input_columns: pa.RecordBatch, start: int, records: list[ResultRow]) -> None:
        """Write these rows. `input_columns`: the columns before the result columns, for all rows from `start` on."""
        if not records:
            return
        if len(records) < input_columns.num_rows:
            input_columns = input_columns.take(pa.array([record.row - start for record in records], pa.int64()))
        values = dict(zip(records[0]._fields, zip(*records, strict=True), strict=True))
        if fields := self._selected.fields:
            taken = zip(*map(self._selected.values, values["output"]), strict=True)
            values |= zip((field.name for field in fields), taken, strict=True)
        result_columns = [pa.array(values[column.name], column.type) for column in self._columns]
        arrays = [*input_columns.columns, *result_columns]
        self._write(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self.count += len(records)


@dataclass(frozen=True, slots=True)
class _Lead:
    """The columns before those of the input: row number, key, and the place in a sweep."""

    key: str | None
    sweep: Sweep

    @property
    def fields(self) -> list[pa.Field]:
        key = [] if self.key is None else [KEY_FIELD]
        return [ROW_FIELD, *key, *([] if self.sweep.is_plain else PLACE_FIELDS)]

    def with_inputs(self, batch: Batch) -> pa.RecordBatch:
        """These columns and those of the input, for all rows of a batch."""
        rows = range(batch.start, batch.start + len(batch))
        arrays = [pa.array(rows, pa.int64())]
        if self.key is not None:
            keys = [None if value is None else as_text(value) for (value,) in batch.values([self.key])]
            arrays.append(pa.array(keys, pa.string()))
        if not self.sweep.is_plain:
            places, names = map(self.sweep.place, rows), [variant.name for variant in self.sweep.variants]
            columns = zip(*((place.input_row, names[place.variant], place.repeat) for place in places), strict=True)
            arrays += [pa.array(values, one.type) for values, one in zip(columns, PLACE_FIELDS, strict=True)]
        arrays += batch.arrow().columns
        return pa.RecordBatch.from_arrays(arrays, names=[str(place) for place in range(len(arrays))])


def _own_names(key: str | None, *, reuse: bool, details: bool, sweep: Sweep) -> frozenset[str]:
    """The names of our own columns in either file. Input columns with these names are renamed."""
    first = {field.name for field in _Lead(key, sweep).fields}
    last = {_REUSED_FROM.name} if reuse else set[str]()
    return frozenset(first | last | {column.name for column in (_OUTPUT, *_errors_columns(details=details))})


def _schema(table: Table, columns: Sequence[pa.Field], own_names: frozenset[str], lead: _Lead) -> pa.Schema:
    names = new_names(table.columns, own_names)
    inputs = [field.with_name(names[field.name]) for field in table.schema]
    renamed = {new: old for old, new in names.items() if new != old}
    return ResultsFooter(own_names | {column.name for column in columns}, renamed, table.restore).write_to(
        pa.schema([*lead.fields, *inputs, *columns])
    )


def _json_inputs(schema: pa.Schema) -> frozenset[str]:
    """The input columns whose text stands for another value: a number, a boolean, or any other JSON."""
    footer = ResultsFooter.of(schema)
    kinds = {name: kind for name, kind in footer.restore.kinds.items() if kind != "str"}
    return frozenset(name for name in schema.names if footer.renamed.get(name, name) in kinds)
