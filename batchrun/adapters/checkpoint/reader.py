"""Queries on a checkpoint: the job, counts and rows. Connections come from `connection`."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from heapq import merge
from operator import attrgetter

from batchrun.adapters.checkpoint import intents
from batchrun.adapters.checkpoint.connection import read_snapshot
from batchrun.adapters.checkpoint.damage import decoding
from batchrun.adapters.checkpoint.schema import (
    DETAIL_COLUMNS,
    NOT_COMPLETED,
    ROW_COLUMNS,
    TOKEN_COLUMNS,
)
from batchrun.domain.answers import RunDetails
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.row import Row
from batchrun.domain.run_details import Tokens
from batchrun.domain.states import ERROR_STATES, State
from batchrun.domain.tally import Tally

_COLUMNS = ", ".join(
    [f"rows.{column}" for column in ROW_COLUMNS if column != "event"]
    + [f"run_details.{column}" for column in DETAIL_COLUMNS]
)
_ROWS = f"SELECT {_COLUMNS} FROM rows LEFT JOIN run_details ON run_details.row = rows.row"
_FIRST_DETAIL = -len(DETAIL_COLUMNS)
_PAGE = 5000


def meta(db: sqlite3.Connection) -> dict[str, str]:
    """The recorded facts about the job as a whole."""
    return dict(db.execute("SELECT name, value FROM meta"))


def irregular_outputs(db: sqlite3.Connection) -> int:
    """The number of outputs that were not strict JSON and were kept as they could be read."""
    with decoding():
        return int(meta(db).get("irregular_outputs", 0))


def known_echoes(db: sqlite3.Connection) -> str:
    """What earlier sessions learned about the echo of inputs (`KnownEchoes.record`); empty if nothing."""
    return meta(db).get("known_echoes", "")


def unhelpful_rows(db: sqlite3.Connection) -> str:
    """The rows whose polls brought nothing usable in the last session (`UnhelpfulRows.record`); empty if none."""
    return meta(db).get("unhelpful_rows", "")


def tally(db: sqlite3.Connection, total: int) -> Tally:
    """The counts of a job of `total` rows.

    Only the rows that are not completed are counted; the completed rows are the remainder.
    """
    states, kinds = Counter[State](), Counter[str]()
    with read_snapshot(db):
        for word, kind, count in db.execute(
            f"SELECT state, error_kind, count(*) FROM rows WHERE {NOT_COMPLETED} GROUP BY state, error_kind"
        ):
            with decoding():
                state = State(word)
            states[state] += count
            if kind is not None and state in ERROR_STATES:
                kinds[kind] += count
        if begun := intents.count(db):
            states[State.SUBMITTING] += begun
        if completed := touched(db)[0] - states.total():
            states[State.COMPLETED] = completed
        return Tally(total, states, kinds, reused(db), tokens(db))


def tokens(db: sqlite3.Connection) -> Tokens:
    """The tokens of all runs of the job so far."""
    return Tokens(*db.execute(f"SELECT {', '.join(TOKEN_COLUMNS)} FROM token_totals").fetchone())


def reused(db: sqlite3.Connection) -> int:
    """The number of rows reused from earlier jobs."""
    count: int = db.execute("SELECT count(*) FROM reused").fetchone()[0]
    return count


def upload(db: sqlite3.Connection, digest: str) -> tuple[str, int] | None:
    """The reference of the uploaded file with this digest, and when it was uploaded (UTC milliseconds)."""
    found: tuple[str, int] | None = db.execute(
        "SELECT reference, uploaded_at FROM uploads WHERE digest = ?", (digest,)
    ).fetchone()
    return found


def errors_since(db: sqlite3.Connection, at: int) -> dict[str, int]:
    """The numbers of rows of `errors.parquet` whose error occurred since `at` (UTC milliseconds), by error kind."""
    return dict(
        db.execute(
            f"SELECT error_kind, count(*) FROM rows WHERE {NOT_COMPLETED} "
            "AND state IN ('failed', 'timed_out', 'in_doubt') AND coalesce(finished_at, intent_at) >= ? "
            "GROUP BY error_kind ORDER BY error_kind",
            (at,),
        )
    )


def error_examples(db: sqlite3.Connection, kinds: Collection[str]) -> dict[str, tuple[int, str]]:
    """The number and the message of one row for each of these error kinds."""
    query = f"SELECT row, error_message FROM rows WHERE {NOT_COMPLETED} AND error_kind = ? LIMIT 1"
    found = {kind: db.execute(query, (kind,)).fetchone() for kind in kinds}
    return {kind: values for kind, values in found.items() if values is not None}


def ended_since_retry(db: sqlite3.Connection) -> tuple[int, int]:
    """The numbers of rows that ended since the last retry, without reused rows, and of those that failed or timed out.

    Without a retry the completed rows are not read.
    """
    at = meta(db).get("retried_at")
    if at is None:
        counted = tally(db, 0)
        return counted.worked, counted[State.FAILED] + counted[State.TIMED_OUT]
    completed = db.execute(
        "SELECT count(*) FROM rows WHERE state = 'completed' AND finished_at >= ? "
        "AND row NOT IN (SELECT row FROM reused)",
        (int(at),),
    ).fetchone()[0]
    failures = db.execute(
        f"SELECT count(*) FROM rows WHERE {NOT_COMPLETED} AND state IN ('failed', 'timed_out') AND finished_at >= ?",
        (int(at),),
    ).fetchone()[0]
    return completed + failures, failures


def run_seconds(db: sqlite3.Connection) -> list[float]:
    """The seconds that up to 1,000 completed runs took, by the clock of the service."""
    taken = db.execute(
        "SELECT (updated_at - created_at) / 1000.0 FROM rows "
        "WHERE state = 'completed' AND updated_at >= created_at LIMIT 1000"
    )
    return [seconds for (seconds,) in taken]


def touched_prefix(db: sqlite3.Connection) -> int:
    """The number of rows before the first one that has no record.

    Rows are first recorded nearly in order and are never deleted, so an earlier result (`meta.touched`) stays true and
    the search continues from there. This counts a large job without reading all of its rows.
    """
    known = db.execute("SELECT value FROM meta WHERE name = 'touched'").fetchone()
    with decoding():
        prefix = 0 if known is None else int(known[0])
    while True:
        if db.execute("SELECT 1 FROM rows WHERE row = ?", (prefix,)).fetchone():
            prefix = db.execute(
                "SELECT row + 1 FROM rows WHERE row >= ? "
                "AND NOT EXISTS (SELECT 1 FROM rows AS next WHERE next.row = rows.row + 1) ORDER BY row LIMIT 1",
                (prefix,),
            ).fetchone()[0]
        if not intents.count(db, "row = ?", prefix):
            return prefix
        prefix += 1


def touched(db: sqlite3.Connection) -> tuple[int, int]:
    """The number of recorded rows, and the number after the last one."""
    with read_snapshot(db):
        prefix = touched_prefix(db)
        beyond, last = db.execute(
            "SELECT sum(number), max(last) FROM ("
            "SELECT count(*) AS number, max(row) AS last FROM rows WHERE row >= ?1 "
            "UNION ALL SELECT count(*), max(row) FROM intents WHERE row >= ?1)",
            (prefix,),
        ).fetchone()
    return prefix + beyond, prefix if last is None else last + 1


def row_of_unknown_run(db: sqlite3.Connection) -> int | None:
    """A row that is to be polled and whose run_id the index does not have; None if there is none.

    The record or the index is damaged then. In a sound database both are written together.
    """
    found = db.execute(
        f"SELECT row FROM rows AS polled WHERE {NOT_COMPLETED} AND state IN ('running', 'timed_out') "
        "AND run_id IS NOT NULL AND intent_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM rows AS known INDEXED BY "
        "rows_by_run WHERE known.run_id = polled.run_id AND known.intent_at IS NOT NULL AND known.row = polled.row)"
    ).fetchone()
    return None if found is None else int(found[0])


def count(db: sqlite3.Connection, states: Collection[State]) -> int:
    """The number of rows in `states`."""
    with read_snapshot(db):
        found = db.execute(f"SELECT count(*) FROM rows WHERE {in_states(states)}", (*states,)).fetchone()
        return int(found[0]) + (intents.count(db) if State.SUBMITTING in states else 0)


def doubts_since(db: sqlite3.Connection, ms: int) -> int:
    """The number of rows whose submission began after this time and has no answer, or none that can be believed."""
    states = f"{NOT_COMPLETED} AND state IN ('submitting', 'in_doubt')"
    with read_snapshot(db):
        found = db.execute(f"SELECT count(*) FROM rows WHERE {states} AND intent_at > ?", (ms,)).fetchone()
        return int(found[0]) + intents.count(db, "intent_at > ?", ms)


def total(db: sqlite3.Connection, rows: int, limit: int | None) -> int:
    """The number of rows of the job: the input's rows up to the limit, and those beyond it that were sent before.

    A row beyond the limit that is queued is not part of the job, although it may have been tried before.
    """
    if limit is None or limit >= rows:
        return rows
    with read_snapshot(db):
        found = db.execute("SELECT count(*) FROM rows WHERE row >= ? AND state <> 'queued'", (limit,)).fetchone()
        return limit + int(found[0]) + intents.count(db, "row >= ?", limit)


def rows(db: sqlite3.Connection, *states: State) -> Iterator[Row]:
    """The rows in `states`, in input order. They are read in pages, and may change between two pages."""
    after = -1
    while True:
        with read_snapshot(db):
            page = db.execute(
                f"{_ROWS} WHERE {in_states(states)} AND rows.row > ? ORDER BY rows.row LIMIT {_PAGE}",
                (*states, after),
            ).fetchall()
            last = page[-1][0] if len(page) == _PAGE else None
            begun = intents.begun(db, after + 1, last) if State.SUBMITTING in states else []
        yield from merge(map(row_of, page), begun, key=attrgetter("row"))
        if last is None:
            return
        after = last


def last_completed(db: sqlite3.Connection) -> Row | None:
    """The last completed row with a run_id that a request of this job got."""
    found = db.execute(
        f"{_ROWS} WHERE state = 'completed' AND run_id IS NOT NULL AND intent_at IS NOT NULL "
        "ORDER BY rows.row DESC LIMIT 1"
    ).fetchone()
    return None if found is None else row_of(found)


def in_states(states: Collection[State]) -> str:
    """The SQL condition for these states, with a parameter for each."""
    condition = f"state IN ({', '.join('?' * len(states))})"
    return condition if State.COMPLETED in states else f"{condition} AND {NOT_COMPLETED}"


def between(db: sqlite3.Connection, start: int, stop: int) -> dict[int, Row]:
    """The recorded rows from `start` up to but excluding `stop`."""
    with read_snapshot(db):
        values = db.execute(f"{_ROWS} WHERE rows.row >= ? AND rows.row < ?", (start, stop)).fetchall()
        begun = intents.begun(db, start, stop - 1)
    return {row.row: row for row in (*map(row_of, values), *begun)}


def row_of(values: tuple[object, ...]) -> Row:
    """Make a row from the columns of its record and of its details."""
    with decoding():
        number, state, *rest, kind, code, message, http_status = values[:_FIRST_DETAIL]
        problem = None if kind is None else Problem(ErrorKind(str(kind)), str(message), code, http_status)  # type: ignore[arg-type]
        row_of_details, *reported = values[_FIRST_DETAIL:]
        details = None if row_of_details is None else RunDetails(*reported)  # type: ignore[arg-type]
        return Row(number, State(str(state)), *rest, problem, details)  # type: ignore[arg-type, call-arg]
