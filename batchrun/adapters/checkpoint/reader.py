"""What a checkpoint says of its job: sessions, counts and rows. Connections come from `connection`."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from batchrun.adapters.checkpoint.connection import one_moment
from batchrun.adapters.checkpoint.schema import (
    NOT_COMPLETED,
    ROW_COLUMNS,
)
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.row import Row
from batchrun.domain.states import ERROR_STATES, State
from batchrun.domain.tally import Tally

_COLUMNS = ", ".join(f"rows.{column}" for column in ROW_COLUMNS if column != "event")
_PAGE = 5000


@dataclass(frozen=True, slots=True)
class Session:
    """One command's work on the job; times in UTC milliseconds, `exit_code` None while it runs or after a kill."""

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
    """How many changes of rows it recorded."""
    ended_before: int
    """How many rows had ended when it began, less those taken over and those that it tries again."""


def meta(db: sqlite3.Connection) -> dict[str, str]:
    """What is recorded of the job as a whole."""
    return dict(db.execute("SELECT name, value FROM meta"))


def sessions(db: sqlite3.Connection) -> list[Session]:
    """All sessions, the first one first."""
    return [
        Session(*values)
        for values in db.execute(
            "SELECT id, started_at, last_at, ended_at, exit_code, submissions, polls, throttled, elapsed_s, "
            "changes, ended_before "
            "FROM session ORDER BY id"
        )
    ]


def tally(db: sqlite3.Connection, total: int) -> Tally:
    """The counts of a job of `total` rows.

    Only those that are not completed are counted; the completed ones are the rest.
    """
    states, kinds = Counter[State](), Counter[str]()
    with one_moment(db):
        for word, kind, count in db.execute(
            f"SELECT state, error_kind, count(*) FROM rows WHERE {NOT_COMPLETED} GROUP BY state, error_kind"
        ):
            state = State(word)
            states[state] += count
            if kind is not None and state in ERROR_STATES:
                kinds[kind] += count
        if completed := touched(db)[0] - states.total():
            states[State.COMPLETED] = completed
        return Tally(total, states, kinds, reused(db))


def reused(db: sqlite3.Connection) -> int:
    """How many rows were taken over from earlier jobs."""
    count: int = db.execute("SELECT count(*) FROM reused").fetchone()[0]
    return count


def errors_since(db: sqlite3.Connection, at: int) -> dict[str, int]:
    """The rows of `errors.parquet` that came to their error since `at` (UTC milliseconds), by kind."""
    return dict(
        db.execute(
            f"SELECT error_kind, count(*) FROM rows WHERE {NOT_COMPLETED} "
            "AND state IN ('failed', 'timed_out', 'in_doubt') AND coalesce(finished_at, intent_at) >= ? "
            "GROUP BY error_kind ORDER BY error_kind",
            (at,),
        )
    )


def run_seconds(db: sqlite3.Connection) -> list[float]:
    """How long some of the completed runs took, by the service's own clock."""
    taken = db.execute(
        "SELECT (updated_at - created_at) / 1000.0 FROM rows "
        "WHERE state = 'completed' AND updated_at >= created_at LIMIT 1000"
    )
    return [seconds for (seconds,) in taken]


def touched_prefix(db: sqlite3.Connection) -> int:
    """How many rows there are before the first one that was never touched.

    Rows are touched nearly in order and never forgotten, so what was found once (`meta.touched`) holds for ever, and
    the search goes on from there: it is how ten million rows are counted without reading them.
    """
    known = db.execute("SELECT value FROM meta WHERE name = 'touched'").fetchone()
    prefix = 0 if known is None else int(known[0])
    if db.execute("SELECT 1 FROM rows WHERE row = ?", (prefix,)).fetchone():
        prefix = db.execute(
            "SELECT row + 1 FROM rows WHERE row >= ? "
            "AND NOT EXISTS (SELECT 1 FROM rows AS next WHERE next.row = rows.row + 1) ORDER BY row LIMIT 1",
            (prefix,),
        ).fetchone()[0]
    return prefix


def touched(db: sqlite3.Connection) -> tuple[int, int]:
    """How many rows are recorded, and the number behind the last of them."""
    prefix = touched_prefix(db)
    beyond, last = db.execute("SELECT count(*), max(row) FROM rows WHERE row >= ?", (prefix,)).fetchone()
    return prefix + beyond, prefix if last is None else last + 1


def never_sent(db: sqlite3.Connection, total: int) -> int:
    """How many of `total` rows still wait for their first attempt."""
    queued = db.execute(
        f"SELECT count(*) FROM rows WHERE {NOT_COMPLETED} AND state = 'queued' AND attempts = 0"
    ).fetchone()[0]
    return total - touched(db)[0] + int(queued)


def total(db: sqlite3.Connection, rows: int, limit: int | None) -> int:
    """How many rows the job has: those of the input, up to the limit, but never less than were touched already."""
    return rows if limit is None else max(min(rows, limit), touched(db)[0])


def rows(db: sqlite3.Connection, *states: State) -> Iterator[Row]:
    """The rows in one of `states`, in input order, a page at a time: they may change between the pages."""
    after = -1
    while True:
        page = db.execute(
            f"SELECT {_COLUMNS} FROM rows WHERE {in_states(states)} AND row > ? ORDER BY row LIMIT {_PAGE}",
            (*states, after),
        ).fetchall()
        for values in page:
            yield row_of(values)
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def in_states(states: Collection[State]) -> str:
    """The condition of being in one of so many states."""
    condition = f"state IN ({', '.join('?' * len(states))})"
    return condition if State.COMPLETED in states else f"{condition} AND {NOT_COMPLETED}"


def between(db: sqlite3.Connection, start: int, stop: int) -> dict[int, Row]:
    """The recorded rows from `start` up to, not including, `stop`."""
    values = db.execute(f"SELECT {_COLUMNS} FROM rows WHERE row >= ? AND row < ?", (start, stop))
    return {row.row: row for row in map(row_of, values)}


def row_of(values: tuple[object, ...]) -> Row:
    """A row from the columns of the table."""
    number, state, *rest, kind, code, message, http_status = values
    problem = None if kind is None else Problem(ErrorKind(str(kind)), str(message), code, http_status)  # type: ignore[arg-type]
    return Row(number, State(str(state)), *rest, problem)  # type: ignore[arg-type, call-arg]
