"""Writes changes of rows to the tables of a checkpoint."""

import sqlite3
from collections.abc import Sequence
from enum import IntEnum
from typing import TypeAlias

from msgspec.structs import astuple

from batchrun.adapters.checkpoint.bulk_insert import write_many
from batchrun.adapters.checkpoint.schema import DETAIL_COLUMNS, ROW_COLUMNS
from batchrun.adapters.checkpoint.statements import (
    INSERT_REUSE_KEY,
    INSERT_REUSED,
    UPSERT,
    UPSERT_DETAILS,
    UPSERT_OUTPUT,
)
from batchrun.domain.answers import RunDetails
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import Adopted, Held, Reused, RowEvent, RunCompleted, SubmitStarted
from batchrun.domain.frozen import Frozen
from batchrun.domain.row import Row
from batchrun.domain.states import Event, State
from batchrun.errors import BugError
from batchrun.ports import DuplicateRunError


class Table(IntEnum):
    """The tables that may have something of a row besides its record."""

    OUTPUTS = 0
    REUSE_KEYS = 1
    REUSED = 2
    DETAILS = 3


_STATEMENTS = (
    (UPSERT_OUTPUT, 2),
    (INSERT_REUSE_KEY, 2),
    (INSERT_REUSED, 2),
    (UPSERT_DETAILS, len(DETAIL_COLUMNS)),
)
"""How to write to each table, and the number of its columns."""

Values: TypeAlias = tuple[object, ...]

Parts: TypeAlias = tuple[Values, Sequence[tuple[int, Values]]]
"""One change of one row as it is written: the columns of its record, and those of other tables (see `Table`)."""


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
        return sum(len(str(values[1] or "")) for table, values in self.parts[1] if table == Table.OUTPUTS)

    @classmethod
    def of(cls, parts: Parts) -> "EncodedEntry":
        """The change of which `parts_of` made this."""
        (number, state, event, *rest, kind, code, message, http_status), more = parts
        problem = None if kind is None else Problem(ErrorKind(kind), message, code, http_status)  # type: ignore[arg-type]
        details = next((RunDetails(*values[1:]) for table, values in more if table == Table.DETAILS), None)  # type: ignore[arg-type]
        row = Row(number, _STATES[state], *rest, problem, details)  # type: ignore[arg-type, call-arg]
        return cls(row, _EVENTS[event], parts)


AnyEntry: TypeAlias = Entry | EncodedEntry


def write_entries(db: sqlite3.Connection, entries: Sequence[AnyEntry]) -> None:
    """Write the changes in a few statements. Raises `sqlite3.IntegrityError` if one of them is refused."""
    rows = list[object]()
    others: tuple[list[object], ...] = tuple([] for _ in Table)
    for entry in entries:
        values, more = entry.parts
        rows += values
        for table, its_values in more:
            others[table].extend(its_values)
    write_many(db, UPSERT, rows, len(ROW_COLUMNS))
    for (statement, width), found in zip(_STATEMENTS, others, strict=True):
        if found:
            write_many(db, statement, found, width)


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


def parts_of(row: Row, event: RowEvent) -> Parts:
    """What is written of `row` after `event`."""
    number, more = row.row, list[tuple[int, Values]]()
    if row.details is not None:
        more.append((Table.DETAILS.value, (number, *astuple(row.details))))
    match event:
        case RunCompleted(output=output) if row.state is State.COMPLETED:
            more.append((Table.OUTPUTS.value, (number, output)))
        case SubmitStarted() | Adopted() | Held() if event.reuse_key is not None:
            more.append((Table.REUSE_KEYS.value, (number, event.reuse_key)))
        case Reused(output=output, reuse_key=reuse_key, source=source):
            more.append((Table.OUTPUTS.value, (number, output)))
            more.append((Table.REUSE_KEYS.value, (number, reuse_key)))
            more.append((Table.REUSED.value, (number, source)))
    return _values_of(row, event), more


def _values_of(row: Row, event: RowEvent) -> Values:
    """The columns of `row` after `event`."""
    problem = row.problem
    return (
        row.row, row.state.value, event.event.value,  # sqlite3 looks up an adapter for a subclass of str, which is slow
        row.attempts, row.tries, row.polls, row.run_polls, row.run_id, row.status, row.not_before, row.intent_at,
        row.submitted_at, row.accepted_at, row.finished_at, row.created_at, row.updated_at,
        *((None,) * 4 if problem is None else (problem.kind.value, problem.code, problem.message, problem.http_status)),
    )  # fmt: skip


_STATES: dict[object, State] = {state.value: state for state in State}
_EVENTS: dict[object, Event] = {event.value: event for event in Event}
