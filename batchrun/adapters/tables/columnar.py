"""What Parquet and Arrow files share: columns that have types, and may be ours."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import pyarrow as pa

from batchrun.adapters.tables.arrow_values import rows_without_columns, why_unsendable
from batchrun.adapters.tables.base import checked_columns
from batchrun.adapters.tables.footer import RestoredTypes, ResultsFooter
from batchrun.adapters.tables.storable import storable
from batchrun.adapters.tables.storable_types import is_storable, parquet_holds, storable_type
from batchrun.domain.fingerprint import FileStamp, Inference
from batchrun.errors import InputError


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file that are the input's.

    `places` are theirs in the file, `odd` those of them that are made storable first; `schema` has the names of the
    input and the types in which it is sent, `carried` the types in which they stand in the results, `restore` what
    makes of those again what was sent. `read_as` says the same of the file, where it is a result of ours.
    """

    places: tuple[int, ...]
    odd: frozenset[int]
    schema: pa.Schema
    carried: pa.Schema
    unsendable: Mapping[str, str]
    restore: RestoredTypes
    read_as: RestoredTypes

    @classmethod
    def of_fields(cls, places: Sequence[int], fields: Sequence[pa.Field], read_as: RestoredTypes) -> "Columns":
        """Those at these places of a file that has them as `fields`."""
        odd = [place for place, field in zip(places, fields, strict=True) if not is_storable(field.type)]
        schema = pa.schema([field.with_type(storable_type(field.type)) for field in fields])
        carried = pa.schema(map(_carried, schema))
        as_json = {field.name: "json" for field in schema if field.type != carried.field(field.name).type}
        unsendable = {field.name: why for field in fields if (why := why_unsendable(field.type)) is not None}
        return cls(tuple(places), frozenset(odd), schema, carried, unsendable, RestoredTypes(as_json), read_as)

    @property
    def names(self) -> tuple[str, ...]:
        """Their names in the input."""
        return tuple(self.schema.names)

    def of(self, batch: pa.RecordBatch, path: Path) -> pa.RecordBatch:
        """These columns of a batch of the file; raises `InputError` for a value that cannot be sent or written."""
        if not self.places:
            return rows_without_columns(batch.num_rows)
        arrays = [batch.column(place) for place in self.places]
        for number, place in enumerate(self.places):
            if place in self.odd:
                try:
                    arrays[number] = storable(arrays[number])
                except pa.ArrowException as error:
                    what = f"column {self.names[number]!r} ({arrays[number].type})"
                    raise InputError(f"{path}: {what}: {' '.join(str(error).split())}") from error
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


@dataclass(frozen=True, slots=True)
class ColumnarTable:
    """A table whose schema says all there is to know of its columns: `base.Table` but for its batches."""

    path: Path
    stamp: FileStamp
    found: Columns
    needs_survey: ClassVar[bool] = False

    @property
    def columns(self) -> tuple[str, ...]:
        return self.found.names

    @property
    def schema(self) -> pa.Schema:
        return self.found.carried

    @property
    def unsendable(self) -> Mapping[str, str]:
        return self.found.unsendable

    @property
    def restore(self) -> RestoredTypes:
        return self.found.restore

    @property
    def read_as(self) -> RestoredTypes:
        """How its columns of text were sent, where it is a result of ours."""
        return self.found.read_as

    def surveyed(self, inference: Inference) -> Self:  # noqa: ARG002 - there was nothing to find
        return self


def columns_of(path: Path, found: pa.Schema) -> Columns:
    """The input's columns in a file of this schema: without those that we added, under the names that they had."""
    ours = ResultsFooter.of(found)
    places = tuple(place for place, name in enumerate(found.names) if name not in ours.added)
    if not found.names:
        raise InputError(f"{path}: has no columns")
    names = checked_columns(path, [ours.renamed.get(found.names[place], found.names[place]) for place in places])
    fields = [found.field(place).with_name(name) for place, name in zip(places, names, strict=True)]
    return Columns.of_fields(places, fields, ours.restore)


def _carried(field: pa.Field) -> pa.Field:
    return field if parquet_holds(field.type) else pa.field(field.name, pa.string())


@contextmanager
def contents_of(path: Path, trouble: str) -> Iterator[None]:
    """Within the block Arrow's errors are the contents' fault and become `InputError`; the disk's own stay."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        if getattr(error, "errno", None) is not None:
            raise
        raise InputError(f"{path}: {trouble}: {' '.join(str(error).split())}") from error
