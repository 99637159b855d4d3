"""What Parquet and Arrow files share: columns that have types, and may be ours."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.tables.base import checked_columns
from batchrun.adapters.tables.ours import Ours, Restore
from batchrun.adapters.tables.values import rows_without_columns, why_unsendable
from batchrun.errors import InputError


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file that are the input's.

    `places` are theirs in the file; `schema` has the names of the input and the types of the file, `carried` the types
    in which they stand in the results, `restore` what makes of those again what was sent. `read_as` says the same of
    the file, where it is a result of ours.
    """

    places: tuple[int, ...]
    schema: pa.Schema
    carried: pa.Schema
    unsendable: Mapping[str, str]
    restore: Restore
    read_as: Restore

    @property
    def names(self) -> tuple[str, ...]:
        """Their names in the input."""
        return tuple(self.schema.names)

    def of(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """These columns of a batch of the file."""
        if not self.places:
            return rows_without_columns(batch.num_rows)
        return pa.RecordBatch.from_arrays([batch.column(place) for place in self.places], schema=self.schema)


def columns_of(path: Path, found: pa.Schema) -> Columns:
    """The input's columns in a file of this schema: without those that we added, under the names that they had."""
    ours = Ours.of(found)
    places = tuple(place for place, name in enumerate(found.names) if name not in ours.added)
    if not found.names:
        raise InputError(f"{path}: has no columns")
    names = checked_columns(path, [ours.renamed.get(found.names[place], found.names[place]) for place in places])
    schema = pa.schema([found.field(place).with_name(name) for place, name in zip(places, names, strict=True)])
    carried = pa.schema([field if _writable([field]) else pa.field(field.name, pa.string()) for field in schema])
    as_json = {field.name: "json" for field in schema if field.type != carried.field(field.name).type}
    unsendable = {field.name: why for field in schema if (why := why_unsendable(field.type)) is not None}
    return Columns(places, schema, carried, unsendable, Restore(as_json), ours.restore)


def _writable(fields: Iterable[pa.Field]) -> bool:
    """Whether Parquet has these types; it is asked itself."""
    try:
        pq.ParquetWriter(pa.BufferOutputStream(), pa.schema(fields)).close()
    except (pa.ArrowException, NotImplementedError):
        return False
    return True


def one_line(error: Exception) -> str:
    """What Arrow says, on one line."""
    return " ".join(str(error).split())
