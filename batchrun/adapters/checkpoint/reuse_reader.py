"""Find the rows of an earlier job by their reuse keys."""

import sqlite3

from batchrun.adapters.checkpoint.schema import NOT_COMPLETED
from batchrun.domain.answers import RunDetails
from batchrun.domain.events import Reused
from batchrun.domain.frozen import copied
from batchrun.domain.states import State

OPEN_STATES = (State.SUBMITTING.value, State.RUNNING.value, State.IN_DOUBT.value)
"""States of rows that were sent and whose outcome is not known."""


def index_reuse_keys(db: sqlite3.Connection) -> None:
    """Create the indexes that `completed_with` and `open_with` use, from the rows as they are now.

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
        f"JOIN reuse_keys ON rows.row = reuse_keys.row WHERE rows.{NOT_COMPLETED} AND rows.state IN (?, ?, ?)",
        OPEN_STATES,
    )


def open_with(db: sqlite3.Connection, reuse_key: bytes) -> tuple[int, State] | None:
    """The row with this reuse key that was sent and whose outcome is not known, with its state; None if there is none.

    Call `index_reuse_keys` first.
    """
    found = db.execute(
        "SELECT rows.row, rows.state FROM open JOIN rows ON rows.row = open.row WHERE open.reuse_key = ?", (reuse_key,)
    ).fetchone()
    return None if found is None else (found[0], State(found[1]))


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
