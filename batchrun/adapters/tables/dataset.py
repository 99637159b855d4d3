"""Several Parquet files as one input, in name order: those of a folder, or those that a glob matches."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import pyarrow as pa
from pyarrow import types

from batchrun.adapters.tables.arrow_values import ArrowBatch
from batchrun.adapters.tables.base import Source, common_stamp, files_of
from batchrun.adapters.tables.columnar import ColumnarTable, Columns
from batchrun.adapters.tables.file_kinds import refuse_other_kind
from batchrun.adapters.tables.parquet import ParquetTable, open_parquet
from batchrun.domain.fingerprint import FileStamp
from batchrun.domain.input_formats import FORMATS
from batchrun.errors import InputError

MAX_KEPT_OPEN = 200
"""Files that stay open. The others may not change while the job runs: a process may open a limited number of files."""

MAX_REPORTED = 10
"""Maximum problems to report one by one."""


@dataclass(frozen=True, slots=True)
class Dataset(ColumnarTable):
    """A `base.Table` over Parquet files with the same columns. `path`: the folder or the glob."""

    parts: tuple[ParquetTable, ...]

    @property
    def stamp(self) -> FileStamp:
        return common_stamp(self.files)

    def batches(self, start: int = 0) -> Iterator[ArrowBatch]:
        for part, first in zip(self.parts, accumulate((part.rows for part in self.parts), initial=0), strict=False):
            if start < first + part.rows:
                for batch in part.batches(max(0, start - first)):
                    yield ArrowBatch(
                        first + batch.start, self._with_common_schema(batch.data), self.input_columns.results_schema
                    )

    def _with_common_schema(self, read: pa.RecordBatch) -> pa.RecordBatch:
        schema = self.input_columns.schema
        if read.schema.equals(schema):
            return read
        return pa.RecordBatch.from_arrays([read.column(field.name).cast(field.type) for field in schema], schema=schema)


def open_dataset(source: Source) -> Dataset:
    """Open all files, reading only their footers. Raises `InputError` if their columns or types differ."""
    files = files_of(source.path)
    if not files:
        what = "has no .parquet files" if source.path.is_dir() else "matches no file"
        raise InputError(f"{source.path}: {what}. A folder or a glob is read as Parquet files, in name order")
    for file in files:
        refuse_other_kind(file, FORMATS["parquet"], source.encoding)
    parts = tuple(
        open_parquet(replace(source, path=file), keep_open=number < MAX_KEPT_OPEN) for number, file in enumerate(files)
    )
    found = parts[0].input_columns
    differing = [part for part in parts if part.input_columns.schema != found.schema or part.read_as != found.read_as]
    fields = [_field(name, [parts[0], *differing]) for name in found.names]
    if problems := [problem for part in differing for problem in _mismatches(parts[0], part, pa.schema(fields))]:
        more = [f"{source.path}: and {len(problems) - MAX_REPORTED} more such"] if len(problems) > MAX_REPORTED else []
        raise InputError(*problems[:MAX_REPORTED], *more)
    opened = tuple(file for part in parts for file in part.files)
    return Dataset(source.path, opened, Columns.of_fields(found.positions, fields, found.read_as), parts)


def _field(name: str, parts: Sequence[ParquetTable]) -> pa.Field:
    """The column with a type that suits all files. The type null, of files without values, does not count."""
    data_types = [part.input_columns.schema.field(name).type for part in parts if name in part.columns]
    data_types = [data_type for data_type in data_types if not types.is_null(data_type)] or data_types
    return pa.field(
        name, data_types[0] if all(data_type == data_types[0] for data_type in data_types) else _decoded(data_types[0])
    )


def _mismatches(first: ParquetTable, part: ParquetTable, schema: pa.Schema) -> Iterator[str]:
    for name in first.columns:
        if name not in part.columns:
            yield f"{part.path}: has no column {name!r}, which {first.path} has"
            continue
        data_type, wanted = part.input_columns.schema.field(name).type, schema.field(name).type
        if not types.is_null(data_type) and _decoded(data_type) != _decoded(wanted):
            yield (
                f"{part.path}: column {name!r} is {data_type}, but in other files {wanted}. "
                "They must have the same types"
            )
    for name in part.columns:
        if name not in first.columns:
            yield f"{part.path}: has a column {name!r}, which {first.path} has not"
    if part.read_as != first.read_as:
        yield f"{part.path}: is the result of another job than {first.path}, with other types of its columns"


def _decoded(data_type: pa.DataType) -> pa.DataType:
    return data_type.value_type if types.is_dictionary(data_type) else data_type
