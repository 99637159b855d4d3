"""Writes changes of rows to the tables of a checkpoint."""

import sqlite3
from collections.abc import Sequence

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
from batchrun.domain.events import Adopted, Held, Reused, RowEvent, RunCompleted, SubmitStarted
from batchrun.domain.frozen import Frozen
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.errors import BugError
from batchrun.ports import DuplicateRunError


class Entry(Frozen, frozen=True):
    """One change of one row, for the checkpoint to record."""

    row: Row
    event: RowEvent


def write_entries(db: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Write the changes in a few statements. Raises `sqlite3.IntegrityError` if one of them is refused."""
    rows, outputs, reuse_keys, sources = list[object](), list[object](), list[object](), list[object]()
    details = list[object]()
    for entry in entries:
        row, event = entry.row, entry.event
        rows += values_of(row, event)
        if row.details is not None:
            details += (row.row, *astuple(row.details))
        match event:
            case RunCompleted(output=output) if row.state is State.COMPLETED:
                outputs += (row.row, output)
            case SubmitStarted() | Adopted() | Held() if event.reuse_key is not None:
                reuse_keys += (row.row, event.reuse_key)
            case Reused(output=output, reuse_key=reuse_key, source=source):
                outputs += (row.row, output)
                reuse_keys += (row.row, reuse_key)
                sources += (row.row, source)
    write_many(db, UPSERT, rows, len(ROW_COLUMNS))
    for statement, values in ((UPSERT_OUTPUT, outputs), (INSERT_REUSE_KEY, reuse_keys), (INSERT_REUSED, sources)):
        write_many(db, statement, values, 2)
    if details:
        write_many(db, UPSERT_DETAILS, details, len(DETAIL_COLUMNS))


def write_alone(db: sqlite3.Connection, entry: Entry) -> Exception | None:
    """Write one change, within a transaction that goes on if it is refused. Returns the error that refused it."""
    db.execute("SAVEPOINT entry")
    try:
        write_entries(db, [entry])
    except sqlite3.IntegrityError as error:
        db.execute("ROLLBACK TO entry")
        if "rows.run_id" in str(error):
            return DuplicateRunError(entry.row.run_id)
        return BugError(f"row {entry.row.row}: the checkpoint refused {entry.event.event}: {error}")
    finally:
        if db.in_transaction:  # SQLite ends it when the disk is full
            db.execute("RELEASE entry")
    return None


def values_of(row: Row, event: RowEvent) -> tuple[object, ...]:
    """The columns of `row` after `event`."""
    problem = row.problem
    return (
        row.row, row.state.value, event.event.value,  # sqlite3 looks up an adapter for a subclass of str, which is slow
        row.attempts, row.tries, row.polls, row.run_polls, row.run_id, row.status, row.not_before, row.intent_at,
        row.submitted_at, row.accepted_at, row.finished_at, row.created_at, row.updated_at,
        *((None,) * 4 if problem is None else (problem.kind.value, problem.code, problem.message, problem.http_status)),
    )  # fmt: skip
