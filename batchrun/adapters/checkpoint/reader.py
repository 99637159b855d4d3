"""Reading a checkpoint, also while another process works on it: read-only connections need no lock."""

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from batchrun.adapters.checkpoint.schema import (
    APPLICATION_ID,
    NOT_COMPLETED,
    ROW_COLUMNS,
    TABLES_OF_2,
    VERSION,
    VERSION_WITH_REUSE_KEYS,
    VIEW_OF_REUSE_KEYS,
)
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import Reused
from batchrun.domain.filenames import write_ahead_log
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.errors import InputError, StorageError

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


@contextmanager
def open_reader(path: Path) -> Iterator[sqlite3.Connection]:
    """A read-only connection; raises `InputError` where there is no checkpoint.

    Of a checkpoint that nobody else has open, nothing is left behind that was not there before.
    """
    if not path.exists():
        raise InputError(f"{path.parent}: holds no job (no {path.name})")
    try:
        db = _connect(path)
        try:
            refuse_foreign(db, path)
            _fill_in(db)
            yield db
        finally:
            db.close()
            _take_away_empty_log(path)
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be read: {error}") from None


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        db.close()
        if write_ahead_log(path).exists():
            raise
        # A read-only folder has no room for the files that WAL needs; with no WAL the database file is whole.
        db = sqlite3.connect(
            f"{path.absolute().as_uri()}?immutable=1", uri=True, isolation_level=None, check_same_thread=False
        )
    return db


def _take_away_empty_log(path: Path) -> None:
    """Let SQLite remove the `-wal` and `-shm` that a reader needs, too, and cannot remove.

    SQLite does it when the last connection closes, if that one may write. Whether it is the last one is found out
    under SQLite's own locks, so beside a writer or another reader nothing happens; and an empty log changes nothing in
    the database.
    """
    with suppress(OSError, sqlite3.Error):
        if write_ahead_log(path).stat().st_size == 0:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as db:
                db.execute("SELECT 1 FROM sqlite_master").fetchone()


def _fill_in(db: sqlite3.Connection) -> None:
    """Give an earlier version the tables that it lacks, for this connection alone."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 1:
        db.executescript(TABLES_OF_2.replace("CREATE TABLE", "CREATE TEMP TABLE"))
    if version < VERSION_WITH_REUSE_KEYS:
        db.execute(VIEW_OF_REUSE_KEYS)


def refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    """Refuse a database that is not a checkpoint, or one of a later version."""
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        application = db.execute("PRAGMA application_id").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        raise InputError(f"{path}: is not a checkpoint of batchrun: {error}") from None
    if application != APPLICATION_ID and tables:
        raise InputError(f"{path}: is not a checkpoint of batchrun. Choose another directory with -o")
    if version > VERSION:
        raise InputError(
            f"{path}: was written by a newer batchrun (format {version}, this one knows {VERSION}). Upgrade"
        )


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
            if kind is not None and state in OF_ERRORS:
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
            f"SELECT {_COLUMNS} FROM rows WHERE {_in(states)} AND row > ? ORDER BY row LIMIT {_PAGE}",
            (*states, after),
        ).fetchall()
        for values in page:
            yield row_of(values)
        if len(page) < _PAGE:
            return
        after = page[-1][0]


def _in(states: Collection[State]) -> str:
    """The condition of being in one of so many states."""
    condition = f"state IN ({', '.join('?' * len(states))})"
    return condition if State.COMPLETED in states else f"{condition} AND {NOT_COMPLETED}"


def between(db: sqlite3.Connection, start: int, stop: int) -> dict[int, Row]:
    """The recorded rows from `start` up to, not including, `stop`."""
    values = db.execute(f"SELECT {_COLUMNS} FROM rows WHERE row >= ? AND row < ?", (start, stop))
    return {row.row: row for row in map(row_of, values)}


OF_OUTPUTS = frozenset({State.COMPLETED})
OF_ERRORS = frozenset({State.FAILED, State.TIMED_OUT, State.IN_DOUBT})
"""The states of the rows of `outputs.parquet` and of `errors.parquet`."""


class ResultRow(NamedTuple):
    """What either Parquet file has of one row, column by column: millions of them are written at a time.

    Completed rows have an `output`, JSON text; `reused_from` is the directory of the job that a row was taken over
    from.
    """

    row: int
    state: str
    run_id: str | None
    output: str | None
    status: str | None
    attempts: int
    polls: int
    submitted_at: int | None
    finished_at: int | None
    created_at: int | None
    updated_at: int | None
    error_kind: str | None
    error_code: str | None
    error_message: str | None
    http_status: int | None
    reused_from: str | None


_ENDED = ", ".join(
    {"output": "outputs.output", "reused_from": "reused.source"}.get(name, f"rows.{name}") for name in ResultRow._fields
)


def ended(
    db: sqlite3.Connection, states: Collection[State] = OF_OUTPUTS | OF_ERRORS, most: int | None = None
) -> Iterator[ResultRow]:
    """The rows of the two Parquet files, in input order, as of one moment.

    Only those in `states`, and only the first `most` of them.
    """
    cursor = db.execute(
        f"SELECT {_ENDED} FROM rows LEFT JOIN outputs ON outputs.row = rows.row "
        "LEFT JOIN reused ON reused.row = rows.row "
        f"WHERE {_in(states)} ORDER BY rows.row LIMIT ?",
        (*states, -1 if most is None else most),
    )
    return map(partial(tuple.__new__, ResultRow), cursor)  # as ResultRow._make, but in a third of its time


def index_reuse_keys(db: sqlite3.Connection) -> None:
    """Make what `completed_with` looks up, from the rows that are completed by now.

    It is in SQLite's temporary file and sorted on its way there, so that it needs no memory to speak of.
    """
    db.execute("CREATE TEMP TABLE completed (reuse_key BLOB PRIMARY KEY, row INTEGER NOT NULL) STRICT, WITHOUT ROWID")
    db.execute(
        "INSERT OR IGNORE INTO completed SELECT reuse_keys.reuse_key, reuse_keys.row FROM reuse_keys "
        "JOIN rows ON rows.row = reuse_keys.row WHERE rows.state = 'completed' ORDER BY reuse_keys.reuse_key"
    )


def completed_with(db: sqlite3.Connection, reuse_key: bytes, source: str) -> Reused | None:
    """The completed row that has this reuse key, as a job takes it over from `source`; after `index_reuse_keys`."""
    values = db.execute(_COMPLETED_WITH, (source, reuse_key)).fetchone()
    return None if values is None else Reused(*values)


_COMPLETED_WITH = (
    "SELECT rows.run_id, rows.status, outputs.output, ?, completed.reuse_key, "
    "rows.submitted_at, rows.finished_at, rows.created_at, rows.updated_at "
    "FROM completed JOIN rows ON rows.row = completed.row "
    "LEFT JOIN outputs ON outputs.row = completed.row WHERE completed.reuse_key = ?"
)


def has_no_reuse_keys(db: sqlite3.Connection) -> bool:
    """Whether rows are completed, but none has a reuse key: they are of an earlier version of batchrun."""
    found = db.execute(
        "SELECT EXISTS (SELECT 1 FROM rows WHERE state = 'completed') AND NOT EXISTS (SELECT 1 FROM reuse_keys)"
    ).fetchone()
    return bool(found[0])


def outputs(db: sqlite3.Connection) -> Iterator[str | None]:
    """The outputs of the completed rows, in input order, as of one moment."""
    cursor = db.execute(
        "SELECT outputs.output FROM rows JOIN outputs ON outputs.row = rows.row WHERE state = 'completed' "
        "ORDER BY rows.row"
    )
    for (output,) in cursor:
        yield output


@contextmanager
def one_moment(db: sqlite3.Connection) -> Iterator[None]:
    """Within the block everything is read as of one moment, whatever another connection writes meanwhile.

    A block within such a block is of the same moment.
    """
    within = db.in_transaction
    if not within:
        db.execute("BEGIN")
    try:
        yield
    finally:
        if not within and db.in_transaction:
            db.execute("ROLLBACK")


def row_of(values: tuple[object, ...]) -> Row:
    """A row from the columns of the table."""
    number, state, *rest, kind, code, message, http_status = values
    problem = None if kind is None else Problem(ErrorKind(str(kind)), str(message), code, http_status)  # type: ignore[arg-type]
    return Row(number, State(str(state)), *rest, problem)  # type: ignore[arg-type, call-arg]
