"""What columns hold whose types only their values tell (JSONL, and text under `--type`), and how they are carried.

The results' files need one type a column before their first row is written. So the pass that checks an input before
anything is sent also surveys it, and the survey is kept beside the fingerprint.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

import msgspec
import pyarrow as pa

from batchrun.domain.cells import ABSENT, BadCell
from batchrun.domain.column_type import ColumnType, CommonType
from batchrun.domain.fingerprint import Column, Inference, RowOffset

MOST_OFFSETS = 1000
"""Most places of a file that are kept."""

_ARROW = {
    ColumnType.STRING: pa.string(),
    ColumnType.BOOL: pa.bool_(),
    ColumnType.INT: pa.int64(),
    ColumnType.FLOAT: pa.float64(),
    ColumnType.JSON: pa.string(),
}


def arrow_type(kind: ColumnType | None) -> pa.DataType:
    """The type in which a column is carried into the results; None: as the text that it is."""
    return pa.string() if kind is None else _ARROW[kind]


@dataclass(slots=True)
class Observer:
    """Sees the values of one column."""

    _common_type: CommonType = field(default_factory=CommonType)
    _seen: int = 0
    _null: bool = False
    _bad: bool = False

    def add(self, value: object) -> None:
        """Take one value as it is sent."""
        if value is ABSENT:
            return
        self._seen += 1
        if value is None:
            self._null = True
        elif isinstance(value, BadCell):
            self._bad = True
        else:
            self._common_type.add(_decoded(value) if isinstance(value, msgspec.Raw) else value)

    def column(self, rows: int) -> Column:
        """What the column holds, of so many rows of the table."""
        absent = self._seen < rows
        if self._bad:
            return Column(None, absent)
        return Column(ColumnType.JSON if absent and self._null else self._common_type.type, absent)


class TableInference:
    """Sees a table go by; batches whose types are known tell it nothing."""

    def __init__(self) -> None:
        self._observers: dict[str, Observer] = {}
        self._places: list[RowOffset] = []
        self._gap = 1

    def of(self, name: str) -> Observer:
        """The observer of a column."""
        return self._observers.setdefault(name, Observer())

    def pass_by(self, place: RowOffset) -> None:
        """Take note of a place, if it is far enough from the last one: however long the file, they stay a few."""
        if self._places and place.row - self._places[-1].row < self._gap:
            return
        self._places.append(place)
        if len(self._places) > MOST_OFFSETS:
            del self._places[1::2]
            self._gap = self._places[-1].row - self._places[-2].row

    def inference(self, rows: int) -> Inference:
        """The survey of a table of so many rows."""
        columns = {name: observer.column(rows) for name, observer in self._observers.items()}
        return Inference(columns, tuple(self._places))


def carried(values: Iterable[object], column: Column) -> pa.Array:
    """The values as an array of the column's type; null where there is none."""
    if column.type is ColumnType.JSON:
        null = "null" if column.absent else None
        return pa.array([null if value is None else _json_text(value) for value in values], pa.string())
    return pa.array([None if value is ABSENT else plain_value(value) for value in values], arrow_type(column.type))


def plain_value(value: object) -> object:
    """A value as Python has it, also where it stands as JSON text."""
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def kinds_as_read(columns: Mapping[str, Column], kinds: Mapping[str, str]) -> dict[str, str]:
    """How text columns of the results must be read to be what was sent: `--type` of column by column."""
    read = {name: "json" for name, column in columns.items() if column.type is ColumnType.JSON}
    return read | {name: kinds[name] for name, column in columns.items() if column.type is None}


def _json_text(value: object) -> str | None:
    if value is ABSENT:
        return None
    return bytes(value).decode() if isinstance(value, msgspec.Raw) else msgspec.json.encode(value).decode()


_NOT_PLAIN: list[object] = []
"""Stands for whatever only JSON text can hold."""


def _decoded(raw: msgspec.Raw) -> object:
    """A scalar's value; anything that no scalar type holds to the last digit is a case for JSON text."""
    text = bytes(raw)
    if text[:1] in b"[{":
        return _NOT_PLAIN
    try:
        value = msgspec.json.decode(text)
    except msgspec.MsgspecError:
        return _NOT_PLAIN  # a number beyond all doubles
    if isinstance(value, float) and Decimal(text.decode()) != Decimal(repr(value)):
        return _NOT_PLAIN
    return value
