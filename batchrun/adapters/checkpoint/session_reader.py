"""Queries on the sessions of a checkpoint."""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Session:
    """A command's work on the job. Times are UTC milliseconds; `exit_code` is None while it runs or after a kill."""

    id: int
    started_at: int
    last_at: int
    ended_at: int | None
    exit_code: int | None
    submissions: int
    polls: int
    throttled: int
    elapsed_s: float
    changes: int
    """Row changes that it recorded."""
    ended_before: int
    """Rows that had ended when it started, without reused rows and rows that it retries."""


def sessions(db: sqlite3.Connection) -> list[Session]:
    """All sessions, oldest first."""
    return [
        Session(*values)
        for values in db.execute(
            "SELECT id, started_at, last_at, ended_at, exit_code, submissions, polls, throttled, elapsed_s, "
            "changes, ended_before "
            "FROM session ORDER BY id"
        )
    ]


def has_submitted_since(db: sqlite3.Connection, session: int) -> bool:
    """Whether a session after this one has sent a POST, or was about to."""
    query = "SELECT EXISTS (SELECT 1 FROM session WHERE id > ? AND submissions > 0)"
    return bool(db.execute(query, (session,)).fetchone()[0])


def submissions(db: sqlite3.Connection) -> int:
    """The number of POSTs that all sessions have sent, or may have sent before they were killed."""
    count: int = db.execute("SELECT coalesce(sum(submissions), 0) FROM session").fetchone()[0]
    return count
