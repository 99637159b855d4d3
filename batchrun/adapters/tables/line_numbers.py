"""The lines of rows in a text input, for messages."""

from collections.abc import Collection, Iterator
from itertools import islice
from typing import Protocol, runtime_checkable

from batchrun.adapters.tables.base import Table
from batchrun.adapters.tables.typed_columns import TypedTable


@runtime_checkable
class _HasLines(Protocol):
    def row_lines(self) -> Iterator[int]:
        """The line on which each row starts."""
        ...


def line_numbers(table: Table, rows: Collection[int]) -> dict[int, int]:
    """The line on which each of these rows starts; empty if the format has no lines. Reads the input up to the last."""
    inner = table.inner if isinstance(table, TypedTable) else table
    if not rows or not isinstance(inner, _HasLines):
        return {}
    lines = enumerate(islice(inner.row_lines(), max(rows) + 1))
    return {row: line for row, line in lines if row in rows}
