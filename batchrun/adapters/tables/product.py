"""The rows of a sweep as a table: each input row once for each variant and repeat (`domain.sweep`)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from batchrun.adapters.tables.base import BATCH_ROWS, Batch, Table
from batchrun.adapters.tables.footer import RestoredTypes
from batchrun.adapters.tables.inference import Observer, TableInference, kinds_as_read, results_array
from batchrun.adapters.tables.input_file import InputFile
from batchrun.domain.cells import ABSENT
from batchrun.domain.fingerprint import Column, FileStamp, Inference
from batchrun.domain.sweep import Sweep


@dataclass(frozen=True)
class ProductTable:
    """`base.Table` over the product. The varied inputs are its last columns.

    `constants`: the inputs of variants that do not give them.
    """

    table: Table
    sweep: Sweep
    constants: Mapping[str, object] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return self.table.path

    @property
    def columns(self) -> tuple[str, ...]:
        return (*self.table.columns, *self.sweep.varied)

    @cached_property
    def schema(self) -> pa.Schema:
        fields = [pa.field(name, array.type) for name, array in self.varied_arrays.items()]
        return pa.schema([*self.table.schema, *fields])

    @property
    def unsendable(self) -> Mapping[str, str]:
        return self.table.unsendable

    @property
    def restore(self) -> RestoredTypes:
        restore, varied = self.table.restore, self._varied_types
        return RestoredTypes(
            {**restore.kinds, **kinds_as_read(varied, {})},
            restore.absent | {name for name, column in varied.items() if column.absent},
        )

    @property
    def needs_inference(self) -> bool:
        return self.table.needs_inference

    def with_inference(self, inference: Inference) -> "ProductTable":
        return ProductTable(self.table.with_inference(inference), self.sweep, self.constants)

    @property
    def stamp(self) -> FileStamp:
        return self.table.stamp

    @property
    def files(self) -> Sequence[InputFile]:
        return self.table.files

    def batches(self, start: int = 0) -> Iterator["ProductBatch"]:
        """The rows from the input row of row `start` on."""
        rows = max(1, BATCH_ROWS // self.sweep.size)
        for batch in self.table.batches(start // self.sweep.size):
            read = _ReadOnce(batch)
            for first in range(0, len(batch), rows):
                yield ProductBatch(self, read, first, min(rows, len(batch) - first))

    @cached_property
    def varied_values(self) -> list[tuple[object, ...]]:
        """The varied inputs of each variant, in the order of their columns."""
        return [
            tuple(variant.inputs.get(name, self.constants.get(name, ABSENT)) for name in self.sweep.varied)
            for variant in self.sweep.variants
        ]

    @cached_property
    def _varied_types(self) -> dict[str, Column]:
        observers = {name: Observer() for name in self.sweep.varied}
        for values in self.varied_values:
            for observer, value in zip(observers.values(), values, strict=True):
                observer.add(value)
        return {name: observer.column(len(self.sweep.variants)) for name, observer in observers.items()}

    @cached_property
    def varied_arrays(self) -> dict[str, pa.Array]:
        """The varied inputs as they are written to the results: one value for each variant."""
        columns = zip(*self.varied_values, strict=True)
        return {
            name: results_array(values, column)
            for (name, column), values in zip(self._varied_types.items(), columns, strict=True)
        }


class _ReadOnce:
    """A batch of the input that several batches of the product share: its values are converted once."""

    def __init__(self, batch: Batch) -> None:
        self.start = batch.start
        self._batch = batch
        self._values: tuple[list[str], list[tuple[object, ...]]] | None = None
        self._arrow: pa.RecordBatch | None = None

    def values(self, columns: list[str]) -> list[tuple[object, ...]]:
        """The values of these columns; those of the last call are kept."""
        if self._values is None or self._values[0] != columns:
            self._values = columns, self._batch.values(columns)
        return self._values[1]

    def arrow(self) -> pa.RecordBatch:
        """All columns."""
        if self._arrow is None:
            self._arrow = self._batch.arrow()
        return self._arrow

    def observe(self, table_inference: TableInference) -> None:
        """As `Batch.observe`."""
        self._batch.observe(table_inference)


@dataclass(frozen=True)
class ProductBatch:
    """The product of `count` rows of a batch of the input, from its row `first` on."""

    table: ProductTable
    batch: _ReadOnce
    first: int
    count: int

    @property
    def start(self) -> int:
        return (self.batch.start + self.first) * self.table.sweep.size

    @property
    def byte_offset(self) -> None:
        return None

    def __len__(self) -> int:
        return self.count * self.table.sweep.size

    def values(self, columns: Sequence[str]) -> list[tuple[object, ...]]:
        """As `Batch.values`."""
        varied = self.table.sweep.varied
        own = [name for name in columns if name not in varied]
        rows = self.batch.values(own)[self.first : self.first + self.count]
        order = [own.index(name) if name in own else len(own) + varied.index(name) for name in columns]
        is_in_order = order == list(range(len(own) + len(varied)))
        found = []
        for row in rows:
            for more in self.table.varied_values:
                values = (*row, *more)
                found += [values if is_in_order else tuple(values[place] for place in order)] * self.table.sweep.repeats
        return found

    def content(self) -> Sequence[object]:
        """As `Batch.content`."""
        return [list(row) for row in self.values(self.table.columns)]

    def observe(self, table_inference: TableInference) -> None:
        """Pass the values of the input to type inference."""
        self.batch.observe(table_inference)

    def arrow(self) -> pa.RecordBatch:
        """As `Batch.arrow`."""
        sweep, variants = self.table.sweep, len(self.table.sweep.variants)
        rows = range(self.first, self.first + self.count)
        inputs = self.batch.arrow().take(pa.array([row for row in rows for _ in range(sweep.size)], pa.int64()))
        each = [variant for variant in range(variants) for _ in range(sweep.repeats)] * self.count
        varied = [array.take(pa.array(each, pa.int64())) for array in self.table.varied_arrays.values()]
        if not self.table.columns:
            return inputs
        return pa.RecordBatch.from_arrays([*inputs.columns, *varied], schema=self.table.schema)
