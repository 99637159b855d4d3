"""Text columns that are sent as other types: because of `--type`, or because the footer of our results says so."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pyarrow as pa
from pyarrow import types

from batchrun.adapters.tables.base import Batch, Table
from batchrun.adapters.tables.footer import RestoredTypes
from batchrun.adapters.tables.inference import TableInference, arrow_type, kinds_as_read, results_array
from batchrun.adapters.tables.input_file import InputFile
from batchrun.domain.cell_types import READERS
from batchrun.domain.cells import ABSENT, BadCell
from batchrun.domain.fingerprint import FileStamp, Inference
from batchrun.domain.name_list import name_list
from batchrun.errors import InputError
from batchrun.nesting import bounded

Reader = Callable[[object], object]

_decode = bounded(msgspec.json.Decoder(list[msgspec.Raw]).decode)


@dataclass(frozen=True, slots=True)
class TypedBatch:
    """A batch whose text is converted to the types of its columns."""

    inner: Batch
    table: "TypedTable"

    @property
    def start(self) -> int:
        return self.inner.start

    @property
    def byte_offset(self) -> int | None:
        return self.inner.byte_offset

    def __len__(self) -> int:
        return len(self.inner)

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        rows = self.inner.values(columns)
        readers = self.table.readers
        if not rows or not readers.keys() & set(columns):
            return rows
        cells = zip(*rows, strict=True)
        read = [
            map(readers[name], column) if name in readers else column
            for name, column in zip(columns, cells, strict=True)
        ]
        return list(zip(*read, strict=True))

    def content(self) -> Sequence[object]:
        return self.inner.content()

    def observe(self, table_inference: TableInference) -> None:
        self.inner.observe(table_inference)
        names = tuple(self.table.kinds)
        for name, column in zip(names, zip(*self.values(names), strict=True), strict=True):
            observer = table_inference.of(name)
            for value in column:
                observer.add(value)

    def arrow(self) -> pa.RecordBatch:
        read = self.inner.arrow()
        arrays = [self._array(name, array) for name, array in zip(self.table.columns, read.columns, strict=True)]
        return pa.RecordBatch.from_arrays(arrays, schema=self.table.schema)

    def _array(self, name: str, array: pa.Array) -> pa.Array:
        column = self.table.inference.columns.get(name)
        if column is None:
            return array
        if column.type is None:
            return array.cast(pa.string())
        return results_array((value for (value,) in self.values([name])), column)


@dataclass(frozen=True, slots=True)
class TypedTable:
    """A `base.Table` some of whose text columns stand for other types.

    `kinds`: the types of text columns. `absent`: columns in which null means that the row does not have them.
    """

    inner: Table
    kinds: Mapping[str, str]
    absent: frozenset[str]
    inference: Inference = field(default_factory=Inference)

    @property
    def path(self) -> Path:
        return self.inner.path

    @property
    def columns(self) -> tuple[str, ...]:
        return self.inner.columns

    @property
    def unsendable(self) -> Mapping[str, str]:
        return self.inner.unsendable

    @property
    def stamp(self) -> FileStamp:
        return self.inner.stamp

    @property
    def files(self) -> Sequence[InputFile]:
        return self.inner.files

    @property
    def schema(self) -> pa.Schema:
        own = {name: pa.field(name, arrow_type(column.type)) for name, column in self.inference.columns.items()}
        return pa.schema([own.get(found.name, found) for found in self.inner.schema])

    @property
    def restore(self) -> RestoredTypes:
        columns = self.inference.columns
        absent = {name for name in columns if columns[name].absent} | self.absent
        return RestoredTypes({**self.inner.restore.kinds, **kinds_as_read(columns, self.kinds)}, frozenset(absent))

    @property
    def needs_inference(self) -> bool:
        return bool(self.kinds) and not self.inference.columns

    @property
    def readers(self) -> Mapping[str, Reader]:
        """The functions that convert the cells, by column."""
        return {name: _reader(self.kinds.get(name), absent=name in self.absent) for name in (*self.kinds, *self.absent)}

    def with_inference(self, inference: Inference) -> "TypedTable":
        return replace(self, inner=self.inner.with_inference(inference), inference=inference)

    def batches(self, start: int = 0) -> Iterator[Batch]:
        return (TypedBatch(batch, self) for batch in self.inner.batches(start))


def typed(table: Table, kinds: Mapping[str, str], read_as: RestoredTypes) -> Table:
    """The table with its text columns converted to `kinds`, or else to the types recorded in our results (`read_as`).

    Raises `InputError` for every column that does not exist or is not text.
    """
    problems, schema = [], table.schema
    columns = {field.name: field.type for field in schema}
    for name, kind in kinds.items():
        if name not in columns:
            problems.append(
                f"--type {name}={kind}: the input has no column {name!r}. Its columns: {name_list(table.columns)}"
            )
        elif not _is_text(found := columns[name]):
            problems.append(f"--type {name}={kind}: the column holds {found}; only columns of text need a type")
    if problems:
        raise InputError(*problems)
    kinds = {**read_as.kinds, **kinds}
    return TypedTable(table, kinds, read_as.absent) if kinds or read_as.absent else table


def text_columns(table: Table) -> list[str]:
    """The columns that are sent as text."""
    kinds = table.restore.kinds
    return [field.name for field in table.schema if _is_text(field.type) and field.name not in kinds]


def _reader(kind: str | None, *, absent: bool) -> Reader:
    nothing = ABSENT if absent else None
    if kind is None:
        return lambda value: nothing if value is None else value
    read = _read_json if kind == "json" else READERS[kind]
    return lambda value: nothing if value is None else None if value == "" else read(str(value))


def _read_json(text: str) -> object:
    """JSON text, to be sent unchanged."""
    literal = text.strip()
    try:
        (_,) = _decode(f"[{literal}]")
    except (ValueError, RecursionError):
        return BadCell(text, "JSON")
    return None if literal == "null" else msgspec.Raw(literal.encode())


def _is_text(data_type: pa.DataType) -> bool:
    if types.is_dictionary(data_type):
        data_type = data_type.value_type
    return bool(types.is_string(data_type) or types.is_large_string(data_type) or types.is_string_view(data_type))
