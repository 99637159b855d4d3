"""Writes changes of rows to the tables of a checkpoint."""

import sqlite3
from collections.abc import Sequence
from operator import attrgetter
from typing import TypeAlias

from batchrun.adapters.checkpoint.bulk_insert import write_many
from batchrun.adapters.checkpoint.intents import INSERT_INTENT
from batchrun.adapters.checkpoint.parts import OUTPUTS, SHAPES, Parts, Shape, Table, change_of, parts_of
from batchrun.adapters.checkpoint.schema import DETAIL_COLUMNS
from batchrun.adapters.checkpoint.statements import (
    INSERT_REUSE_KEY,
    INSERT_REUSED,
    UPSERT_DETAILS,
    UPSERT_OUTPUT,
    upsert_row,
)
from batchrun.domain.events import Reused, RowEvent, RunCompleted
from batchrun.domain.frozen import Frozen
from batchrun.domain.row import Row
from batchrun.domain.states import Event
from batchrun.errors import BugError
from batchrun.ports import DuplicateRunError

_STATEMENTS = (
    (UPSERT_OUTPUT, 2),
    (INSERT_REUSE_KEY, 2),
    (INSERT_REUSED, 2),
    (UPSERT_DETAILS, len(DETAIL_COLUMNS)),
)
"""How to write to each table, and the number of its columns."""

_RECORDS = tuple(
    (INSERT_INTENT if shape is Shape.INTENT else upsert_row(SHAPES[shape]), len(SHAPES[shape])) for shape in Shape
)
"""How to write each shape, and the number of its columns."""


class Entry(Frozen, frozen=True):
    """One change of one row, for the checkpoint to record."""

    row: Row
    event: RowEvent

    @property
    def name(self) -> str:
        """The event's name."""
        return self.event.event.value

    @property
    def parts(self) -> Parts:
        """What is written."""
        return parts_of(self.row, self.event)

    @property
    def characters(self) -> int:
        """Those of the output."""
        event = self.event
        return len(event.output or "") if isinstance(event, _WITH_OUTPUT) else 0


_WITH_OUTPUT = (RunCompleted, Reused)


class EncodedEntry(Frozen, frozen=True):
    """The same, made ready elsewhere."""

    row: Row
    event: Event
    parts: Parts

    @property
    def name(self) -> str:
        """The event's name."""
        return self.event.value

    @property
    def characters(self) -> int:
        """Those of the output."""
        for table, values in self.parts[2]:
            if table == OUTPUTS:
                return len(str(values[1] or ""))
        return 0

    @classmethod
    def of(cls, parts: Parts) -> "EncodedEntry":
        """The change of which `parts_of` made this."""
        row, event = change_of(parts)
        return cls(row, event, parts)


AnyEntry: TypeAlias = Entry | EncodedEntry

_ROW_NUMBER = attrgetter("row.row")


def write_entries(db: sqlite3.Connection, entries: Sequence[AnyEntry]) -> None:
    """Write the changes in a few statements. Raises `sqlite3.IntegrityError` if one of them is refused."""
    groups = _Groups(db)
    for entry in sorted(entries, key=_ROW_NUMBER):  # runs end in any order, and neighbours share pages
        groups.add(entry.parts)
    groups.write()


class _Groups:
    """Changes that can be written in any order, as each is of another row."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._rows = set[object]()
        self._shapes: tuple[list[object], ...] = tuple([] for _ in Shape)
        self._tables: tuple[list[object], ...] = tuple([] for _ in Table)

    def add(self, parts: Parts) -> None:
        """Add a change. If one of the same row is there, write all before."""
        shape, values, more = parts
        if values[0] in self._rows:
            self.write()
        self._rows.add(values[0])
        self._shapes[shape].extend(values)
        for table, its_values in more:
            self._tables[table].extend(its_values)

    def write(self) -> None:
        """Write what was added."""
        for (statement, width), values in zip((*_RECORDS, *_STATEMENTS), (*self._shapes, *self._tables), strict=True):
            if values:
                write_many(self._db, statement, values, width)
                values.clear()
        self._rows.clear()


def write_alone(db: sqlite3.Connection, entry: AnyEntry) -> Exception | None:
    """Write one change, within a transaction that goes on if it is refused. Returns the error that refused it."""
    db.execute("SAVEPOINT entry")
    try:
        write_entries(db, [entry])
    except sqlite3.IntegrityError as error:
        db.execute("ROLLBACK TO entry")
        if "rows.run_id" in str(error):
            return DuplicateRunError(entry.row.run_id)
        return BugError(f"row {entry.row.row}: the checkpoint refused {entry.name}: {error}")
    finally:
        if db.in_transaction:  # SQLite ends it when the disk is full
            db.execute("RELEASE entry")
    return None
