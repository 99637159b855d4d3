"""Type inference for columns without a declared type (JSONL, and text with `--type`).

The result files need one type per column before their first row is written. So the pass that checks an input before
anything is sent also infers the types. They are recorded with the fingerprint.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
import pyarrow as pa

from batchrun.domain.cells import ABSENT, BadCell
from batchrun.domain.column_type import ColumnType, CommonType
from batchrun.domain.fingerprint import Column, Inference, RowOffset

MAX_SUSPICIOUS = 3
"""Maximum suspicious rows to report of a file."""

MAX_OFFSETS = 1000
"""Maximum row offsets to keep for a file."""

_ARROW = {
    ColumnType.STRING: pa.string(),
    ColumnType.BOOL: pa.bool_(),
    ColumnType.INT: pa.int64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.JSON: pa.string(),
}


def arrow_type(kind: ColumnType | None) -> pa.DataType:
    """The type of a column in the results. None stands for a text column that keeps its text."""
    return pa.string() if kind is None else _ARROW[kind]


@dataclass(slots=True)
class Observer:
    """Infers the type of one column from its values."""

    _common_type: CommonType = field(default_factory=CommonType)
    _seen: int = 0
    _has_null: bool = False
    _has_bad_cell: bool = False

    def add(self, value: object) -> None:
        """Add one value as it is sent."""
        if value is ABSENT:
            return
        self._seen += 1
        if value is None:
            self._has_null = True
        elif isinstance(value, BadCell):
            self._has_bad_cell = True
        else:
            self._common_type.add(_decoded(value) if isinstance(value, msgspec.Raw) else value)

    def column(self, rows: int) -> Column:
        """The inferred column of a table of `rows` rows."""
        absent = self._seen < rows
        if self._has_bad_cell:
            return Column(None, absent)
        return Column(ColumnType.JSON if absent and self._has_null else self._common_type.type, absent)


class TableInference:
    """Infers the types of a table, and collects row offsets. Batches with declared types add nothing."""

    def __init__(self) -> None:
        self._observers: dict[str, Observer] = {}
        self._offsets: list[RowOffset] = []
        self._min_gap = 1
        self.suspicious: dict[int, str] = {}
        """Rows that are probably no data, and what they are; at most `MAX_SUSPICIOUS`."""

    def of(self, name: str) -> Observer:
        """The observer of a column."""
        return self._observers.setdefault(name, Observer())

    @property
    def columns(self) -> int:
        """How many columns there are so far."""
        return len(self._observers)

    def suspect(self, row: int, what: str) -> None:
        """Note a row that is probably no data."""
        if len(self.suspicious) < MAX_SUSPICIOUS:
            self.suspicious[row] = what

    def add_offset(self, offset: RowOffset) -> None:
        """Keep a row offset if it is far enough from the last one, so that their number is limited for any file."""
        if self._offsets and offset.row - self._offsets[-1].row < self._min_gap:
            return
        self._offsets.append(offset)
        if len(self._offsets) > MAX_OFFSETS:
            del self._offsets[1::2]
            self._min_gap = self._offsets[-1].row - self._offsets[-2].row

    def inference(self, rows: int) -> Inference:
        """The result for a table of `rows` rows."""
        columns = {name: observer.column(rows) for name, observer in self._observers.items()}
        return Inference(columns, tuple(self._offsets))


def results_array(values: Iterable[object], column: Column) -> pa.Array:
    """The values as an array of the column's type in the results; null for absent ones."""
    if column.type is ColumnType.JSON:
        null = "null" if column.absent else None
        return pa.array([null if value is None else _json_text(value) for value in values], pa.string())
    return pa.array([None if value is ABSENT else plain_value(value) for value in values], arrow_type(column.type))


def plain_value(value: object) -> object:
    """The value in Python's types, decoded if it is JSON text."""
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def kinds_as_read(columns: Mapping[str, Column], kinds: Mapping[str, str]) -> dict[str, str]:
    """The types by which text columns of the results become what was sent, by column."""
    read = {name: "json" for name, column in columns.items() if column.type is ColumnType.JSON}
    return read | {name: kinds[name] for name, column in columns.items() if column.type is None}


def _json_text(value: object) -> str | None:
    if value is ABSENT:
        return None
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else msgspec.json.encode(value).decode()


_NOT_PLAIN: list[object] = []
"""Stands for a value that only a column of JSON text can hold."""


def _decoded(raw: msgspec.Raw) -> object:
    """The value of a scalar, or `_NOT_PLAIN` if no scalar type holds it with every digit."""
    text = bytes(raw)
    if text[:1] in b"[{":
        return _NOT_PLAIN
    try:
        value = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return _NOT_PLAIN  # a number out of the range of doubles
    if isinstance(value, float) and Decimal(text.decode()) != Decimal(repr(value)):
        return _NOT_PLAIN
    return value
