"""Read-only connections to a checkpoint, also while another process works on it: they need no lock."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from batchrun.adapters.checkpoint.schema import (
    APPLICATION_ID,
    TABLES_OF_2,
    VERSION,
    VERSION_WITH_REUSE_KEYS,
    VIEW_OF_REUSE_KEYS,
)
from batchrun.domain.filenames import write_ahead_log
from batchrun.errors import InputError, StorageError


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
