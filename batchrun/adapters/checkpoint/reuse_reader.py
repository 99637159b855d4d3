"""Find the rows of an earlier job by their reuse keys."""

import sqlite3

from batchrun.adapters.checkpoint import intents
from batchrun.adapters.checkpoint.schema import NOT_COMPLETED
from batchrun.domain.answers import RunDetails
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import Adopted, Held, Reused
from batchrun.domain.frozen import copied
from batchrun.domain.states import State

_OPEN = "rows.state IN ('submitting', 'running', 'timed_out', 'in_doubt') OR rows.error_kind = 'in_doubt'"
"""Rows that may have been paid for and have no result; also those that were given up in doubt."""


def index_reuse_keys(db: sqlite3.Connection) -> None:
    """Create the indexes that the functions here use, from the rows as they are now.

    SQLite sorts it and keeps it in a temporary file, so that memory stays bounded.
    """
    db.execute("CREATE TEMP TABLE completed (reuse_key BLOB PRIMARY KEY, row INTEGER NOT NULL) STRICT, WITHOUT ROWID")
    db.execute(
        "INSERT OR IGNORE INTO completed SELECT reuse_keys.reuse_key, reuse_keys.row FROM reuse_keys "
        "JOIN rows ON rows.row = reuse_keys.row WHERE rows.state = 'completed' ORDER BY reuse_keys.reuse_key"
    )
    db.execute("CREATE TEMP TABLE open (reuse_key BLOB PRIMARY KEY, row INTEGER NOT NULL) STRICT, WITHOUT ROWID")
    db.execute(
        "INSERT OR IGNORE INTO open SELECT reuse_keys.reuse_key, reuse_keys.row FROM rows "
        f"JOIN reuse_keys ON rows.row = reuse_keys.row WHERE rows.{NOT_COMPLETED} AND ({_OPEN}) "
        "UNION ALL SELECT reuse_keys.reuse_key, row FROM intents JOIN reuse_keys USING (row)"
    )
    db.execute("CREATE TEMP TABLE failed (reuse_key BLOB PRIMARY KEY, run_id TEXT NOT NULL) STRICT, WITHOUT ROWID")
    db.execute(
        "INSERT OR IGNORE INTO failed SELECT reuse_keys.reuse_key, rows.run_id FROM rows "
        f"JOIN reuse_keys ON rows.row = reuse_keys.row WHERE rows.{NOT_COMPLETED} AND rows.state = 'failed' "
        "AND rows.run_id IS NOT NULL"
    )


def open_with(db: sqlite3.Connection, reuse_key: bytes, source: str) -> Adopted | Held | None:
    """The row with this reuse key that may have been paid for and had no result, as an event.

    Call `index_reuse_keys` first. That job may go on meanwhile: if it has a run by now, that can be polled, and a
    refused row can be sent.
    """
    # A row goes from `intents` to `rows`, so that it is in neither only if they are read in the other order.
    begun = db.execute("SELECT row FROM open JOIN intents USING (row) WHERE reuse_key = ?", (reuse_key,)).fetchone()
    if begun is not None:
        return _held(begun[0], source, reuse_key)
    found = db.execute(_OPEN_WITH, (reuse_key,)).fetchone()
    if found is None:
        return None
    row, state, run_id, kind, *values = found
    if run_id is not None and state in {State.RUNNING, State.COMPLETED, State.TIMED_OUT}:
        return Adopted(run_id, values[0], reuse_key, *values[1:])
    if state not in {State.SUBMITTING, State.IN_DOUBT} and kind != ErrorKind.IN_DOUBT:
        return None
    return _held(row, source, reuse_key)


def _held(row: int, source: str, reuse_key: bytes) -> Held:
    message = f"row {row} of {source} is in doubt, and that job may have paid for it, so nothing was sent here"
    return Held(Problem(ErrorKind.IN_DOUBT, message), reuse_key)


def has_failed(db: sqlite3.Connection, reuse_key: bytes, run_id: str) -> bool:
    """Whether the run of the row with this reuse key is known to have failed. Call `index_reuse_keys` first."""
    known = db.execute("SELECT 1 FROM failed WHERE reuse_key = ? AND run_id = ?", (reuse_key, run_id))
    return known.fetchone() is not None


_OPEN_WITH = (
    "SELECT rows.row, rows.state, rows.run_id, rows.error_kind, "
    "rows.status, rows.submitted_at, rows.accepted_at, rows.created_at "
    "FROM open JOIN rows ON rows.row = open.row WHERE open.reuse_key = ?"
)


def sent_and_open(db: sqlite3.Connection) -> tuple[int, int]:
    """The number of rows whose run has no known end, and of those that this job has sent and that are in doubt."""
    count = f"SELECT count(*) FROM rows WHERE {NOT_COMPLETED} AND"
    running = db.execute(f"{count} state IN ('running', 'timed_out')").fetchone()
    in_doubt = db.execute(f"{count} (state = 'submitting' OR error_kind = 'in_doubt') AND attempts > 0").fetchone()
    return running[0], in_doubt[0] + intents.count(db)


def completed_with(db: sqlite3.Connection, reuse_key: bytes, source: str) -> Reused | None:
    """The completed row with this reuse key, as an event with this `source`. Call `index_reuse_keys` first."""
    values = db.execute(_COMPLETED_WITH, (source, reuse_key)).fetchone()
    if values is None:
        return None
    *run, log_id, debug_url = values
    reused = Reused(*run)
    return reused if log_id is None and debug_url is None else copied(reused, details=RunDetails(log_id, debug_url))


_COMPLETED_WITH = (
    "SELECT rows.run_id, rows.status, outputs.output, ?, completed.reuse_key, "
    "rows.submitted_at, rows.finished_at, rows.created_at, rows.updated_at, run_details.log_id, run_details.debug_url "
    "FROM completed JOIN rows ON rows.row = completed.row "
    "LEFT JOIN outputs ON outputs.row = completed.row "
    "LEFT JOIN run_details ON run_details.row = completed.row WHERE completed.reuse_key = ?"
)


def has_no_reuse_keys(db: sqlite3.Connection) -> bool:
    """Whether rows are completed but none has a reuse key, because an earlier version of batchrun recorded them."""
    found = db.execute(
        "SELECT EXISTS (SELECT 1 FROM rows WHERE state = 'completed') AND NOT EXISTS (SELECT 1 FROM reuse_keys)"
    ).fetchone()
    return bool(found[0])
