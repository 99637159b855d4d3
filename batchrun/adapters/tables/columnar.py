"""Common code for Parquet and Arrow files: columns with types, and the metadata of our own results."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import pyarrow as pa
from pyarrow import types

from batchrun.adapters.tables.arrow_values import rows_without_columns
from batchrun.adapters.tables.base import checked_columns
from batchrun.adapters.tables.footer import RestoredTypes, ResultsFooter
from batchrun.adapters.tables.input_file import InputFile
from batchrun.adapters.tables.row_sizes import RowTooLargeError, pieces
from batchrun.adapters.tables.sendable_types import why_unsendable
from batchrun.adapters.tables.storable import storable
from batchrun.adapters.tables.storable_types import (
    field_names,
    is_readable,
    is_storable,
    parquet_holds,
    storable_type,
)
from batchrun.domain.fingerprint import FileStamp, Inference
from batchrun.errors import InputError


@dataclass(frozen=True, slots=True)
class Columns:
    """The input columns of a file.

    `positions`: their positions in the file. `converted`: the positions of those that `storable` converts. `schema`:
    the input's names and the types that are sent. `results_schema`: the types in the results. `restore`: how to read
    the results so that the same values are sent again. `read_as`: the same for this file, if it is a result of
    batchrun.
    """

    positions: tuple[int, ...]
    converted: frozenset[int]
    schema: pa.Schema
    results_schema: pa.Schema
    unsendable: Mapping[str, str]
    restore: RestoredTypes
    read_as: RestoredTypes

    @classmethod
    def of_fields(cls, positions: Sequence[int], fields: Sequence[pa.Field], read_as: RestoredTypes) -> "Columns":
        """The columns at these positions of a file, which are `fields` there."""
        converted = [position for position, field in zip(positions, fields, strict=True) if not is_storable(field.type)]
        schema = pa.schema([field.with_type(storable_type(field.type)) for field in fields])
        results_schema = pa.schema(map(_results_field, schema))
        as_json = {field.name: "json" for field in schema if field.type != results_schema.field(field.name).type}
        unsendable = {field.name: why for field in fields if (why := why_unsendable(field.type)) is not None}
        return cls(
            tuple(positions), frozenset(converted), schema, results_schema, unsendable, RestoredTypes(as_json), read_as
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the input."""
        return tuple(self.schema.names)

    def of(self, batch: pa.RecordBatch, path: Path) -> pa.RecordBatch:
        """Select these columns of a batch. Raises `InputError` for a value that cannot be sent or written."""
        if not self.positions:
            return rows_without_columns(batch.num_rows)
        arrays = [batch.column(position) for position in self.positions]
        for number, position in enumerate(self.positions):
            if position in self.converted:
                try:
                    arrays[number] = storable(arrays[number])
                except pa.ArrowException as error:
                    what = f"column {self.names[number]!r} ({arrays[number].type})"
                    raise InputError(f"{path}: {what}: {' '.join(str(error).split())}") from error
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


@dataclass(frozen=True, slots=True)
class ColumnarTable:
    """A table whose schema has all types: `base.Table` without its batches."""

    path: Path
    files: tuple[InputFile, ...]
    input_columns: Columns
    needs_inference: ClassVar[bool] = False

    @property
    def stamp(self) -> FileStamp:
        return self.files[0].stamp

    @property
    def columns(self) -> tuple[str, ...]:
        return self.input_columns.names

    @property
    def schema(self) -> pa.Schema:
        return self.input_columns.results_schema

    @property
    def unsendable(self) -> Mapping[str, str]:
        return self.input_columns.unsendable

    @property
    def restore(self) -> RestoredTypes:
        return self.input_columns.restore

    @property
    def read_as(self) -> RestoredTypes:
        """How to read text columns, if the file is a result of batchrun; see `footer`."""
        return self.input_columns.read_as

    def pieces(self, first: int, read: pa.RecordBatch) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Rows of the file, the first of which has this number, in pieces for a batch, each with its first row.

        Raises `InputError` for a row that is too large to be read.
        """
        try:
            for before, piece in pieces(read, self.input_columns.positions):
                yield first + before, piece
        except RowTooLargeError as error:
            raise InputError(f"{self.path}: row {first + error.row}: {error}") from None

    def with_inference(self, inference: Inference) -> Self:  # noqa: ARG002 - nothing was inferred
        return self


IDENTITY = ("row", "run_id")
"""The added columns by which the rows of a job that judges another are matched with those of that job."""


def columns_of(path: Path, found: pa.Schema, named: frozenset[str] = frozenset()) -> Columns:
    """The input columns in a file of this schema, without added columns and with their original names.

    `named`: added columns that are kept, and `IDENTITY` with them.
    """
    try:
        for field in found:
            field_names(field)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: the name of a column, or of a field in one, is not UTF-8: {error}") from None
    if unreadable := [field for field in found if not is_readable(field.type)]:
        raise InputError(
            *(f"{path}: column {field.name!r} is {field.type}, which cannot be read here" for field in unreadable)
        )
    footer, own_names = ResultsFooter.of(found), found.names
    kept = footer.added & named
    dropped = footer.added - kept.union(IDENTITY) if kept else footer.added
    positions = tuple(position for position, name in enumerate(own_names) if name not in dropped)
    if not own_names:
        raise InputError(f"{path}: has no columns")
    names = checked_columns(
        path, [footer.renamed.get(own_names[position], own_names[position]) for position in positions]
    )
    fields = [found.field(position).with_name(name) for position, name in zip(positions, names, strict=True)]
    return Columns.of_fields(positions, fields, footer.restore)


def _results_field(field: pa.Field) -> pa.Field:
    return field if parquet_holds(field.type) else pa.field(field.name, pa.string())


def refuse_damage(path: Path, first: int, read: pa.RecordBatch, positions: Iterable[int]) -> None:
    """Raise `InputError` if the values of columns cannot be read, because that could end the process.

    `first`: the number of the first row; `positions`: the columns that Arrow has not checked while it read them.
    """
    for position in positions:
        array = read.column(position)
        try:
            array.validate(full=not types.is_primitive(array.type))
        except pa.ArrowException as error:
            what = "hold text that is not UTF-8" if "UTF8" in str(error) else "are damaged"
            rows = f"rows {first} to {first + read.num_rows - 1} {what}: column {read.schema.names[position]!r}"
            raise InputError(f"{path}: {rows}: {' '.join(str(error).split())}") from None


@contextmanager
def contents_of(path: Path, trouble: str) -> Iterator[None]:
    """Convert Arrow's errors within the block to `InputError`, because the contents cause them; not disk errors.

    Names in a file that are not UTF-8 cause a UnicodeDecodeError.
    """
    try:
        yield
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise InputError(f"{path}: {trouble}: {' '.join(str(error).split())}") from error
