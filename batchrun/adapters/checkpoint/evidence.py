"""What a checkpoint shows about whether the service has anything of the job."""

import sqlite3

from batchrun.adapters.checkpoint import intents


def is_untouched(db: sqlite3.Connection) -> bool:
    """Whether nothing is recorded of any row, and no file was uploaded."""
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE name IN ('rows', 'uploads')")]
    return not intents.count(db) and not any(
        db.execute(f"SELECT EXISTS (SELECT 1 FROM {table})").fetchone()[0] for table in tables
    )


def was_only_refused(db: sqlite3.Connection) -> bool:
    """Whether the service has refused every POST for good, or none was sent, so that nothing of the job exists there.

    A row whose refusal is not settled yet, or that was uploaded a file for, does not count as refused.
    """
    return _no_row(db, "state <> 'queued' OR attempts > 0 OR run_id IS NOT NULL OR error_kind IS NOT NULL")


def was_nothing_accepted(db: sqlite3.Connection) -> bool:
    """The same if rows have failed for it: each is queued, was refused at its only attempt, or could not be sent."""
    return _no_row(
        db,
        "run_id IS NOT NULL OR polls > 0 OR state NOT IN ('queued', 'failed') OR attempts > (state = 'failed') "
        "OR (state = 'failed' AND error_kind NOT IN ('rejected', 'input'))",
    )


def _no_row(db: sqlite3.Connection, condition: str) -> bool:
    """Whether there is no such row, none is being submitted, and no file was uploaded."""
    if intents.count(db) or db.execute(f"SELECT EXISTS (SELECT 1 FROM rows WHERE {condition})").fetchone()[0]:
        return False
    if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'uploads'").fetchone():
        return True
    return not db.execute("SELECT EXISTS (SELECT 1 FROM uploads)").fetchone()[0]


def has_runs(db: sqlite3.Connection) -> bool:
    """Whether a row has a run_id that a request of this job got. Those of reused rows are of earlier jobs."""
    found = db.execute("SELECT EXISTS (SELECT 1 FROM rows WHERE run_id IS NOT NULL AND intent_at IS NOT NULL)")
    return bool(found.fetchone()[0])


def was_polled(db: sqlite3.Connection) -> bool:
    """Whether a poll has reported on a run of this job."""
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM rows WHERE polls > 0)").fetchone()[0])
