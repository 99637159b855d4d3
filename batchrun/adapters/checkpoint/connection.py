"""Read-only connections to a checkpoint. They need no lock, even while another process writes to it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from batchrun.adapters.checkpoint import intents
from batchrun.adapters.checkpoint.damage import ADVICE, damage_of
from batchrun.adapters.checkpoint.schema import (
    APPLICATION_ID,
    VERSION,
    VERSION_WITH_DETAILS,
    VERSION_WITH_INTENTS,
    VERSION_WITH_REUSE_KEYS,
    VERSION_WITH_TIME_SERIES,
)
from batchrun.adapters.checkpoint.transactions import is_full
from batchrun.adapters.checkpoint.upgrades import TABLES_SINCE_2, TABLES_SINCE_6, TABLES_SINCE_8, VIEW_OF_REUSE_KEYS
from batchrun.adapters.files.kinds import real_path, refuse_special
from batchrun.adapters.interruption import uninterrupted
from batchrun.domain.filenames import sqlite_files, write_ahead_log
from batchrun.errors import InputError, StorageError

BUSY_TIMEOUT_MS = 5000
"""Milliseconds that a reader waits for a program that holds the checkpoint for itself."""

_HELD = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})
"""Errors that come from another connection, and not from the disk."""

_MEMORY_BYTES = 32 << 10
"""The size of the shared memory of a WAL (`-shm`) that can be used."""


class EmptyCheckpointError(InputError):
    """The database has no tables yet."""


@contextmanager
def open_reader(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a read-only connection; raises `InputError` if there is no checkpoint.

    It leaves no new files behind, unless another connection still uses them.
    """
    refuse_special(sqlite_files(path))
    if not path.exists():
        raise InputError(f"{path.parent}: holds no job (no {path.name})")
    db: sqlite3.Connection | None = None
    try:
        try:
            with uninterrupted():
                db = _connect(path)
            refuse_foreign(db, path)
            if not _has_tables(db):
                raise EmptyCheckpointError(f"{path.parent}: holds no job ({path.name} is empty)")
            _add_missing_tables(db)
            yield db
        finally:
            with uninterrupted():
                if db is not None:
                    db.close()
                    _remove_empty_log(path)
    except sqlite3.Error as error:
        if (damage := damage_of(error)) is not None:
            raise StorageError(f"{path}: is damaged: {damage}. {ADVICE}") from None
        is_held = getattr(error, "sqlite_errorcode", 0) & 0xFF in _HELD
        advice = ". Is the disk full? Make room" if is_full(error) else ". Another program holds it" if is_held else ""
        raise StorageError(f"{path}: cannot be read: {error}{advice}") from None
    except UnicodeDecodeError:  # SQLite shows what it could not read
        raise StorageError(f"{path}: is damaged. {ADVICE}") from None


def _connect(path: Path) -> sqlite3.Connection:
    was_empty = _has_empty_log(path)
    db = _opened(path, "mode=ro")
    try:
        db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        db.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _HELD or not (was_empty and _has_empty_log(path)):
            raise
        # WAL needs files that cannot be created in a read-only folder or on a full disk. While the WAL is empty, the
        # database file is complete; and nobody can write to it, because a writer needs these files too.
        _remove_unusable_log(path)
        db = _opened(path, "immutable=1")
    except BaseException:
        db.close()
        raise
    return db


def _opened(path: Path, how: str) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None, check_same_thread=False)


def _has_empty_log(path: Path) -> bool:
    log = write_ahead_log(real_path(path))
    return not log.exists() or log.stat().st_size == 0


def _remove_unusable_log(path: Path) -> None:
    """Remove the files that SQLite has begun to make for a reader, and could not, unless another connection has any.

    Within its lock nobody else can open the database. The `-wal` is removed by SQLite itself, the `-shm` is not.
    """
    _, _, memory = sqlite_files(path)
    with suppress(OSError, sqlite3.Error), closing(_opened(path, "mode=rw")) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # then SQLite needs no shared memory
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
        if memory.stat().st_size < _MEMORY_BYTES:
            memory.unlink()


def _remove_empty_log(path: Path) -> None:
    """Let SQLite remove the `-wal` and `-shm` files, which a reader creates but cannot remove.

    SQLite removes them when the last connection closes, if that connection may write. It checks under its own locks
    whether the connection is the last one, so this is safe beside writers and readers. Closing with an empty log does
    not change the database.
    """
    with suppress(OSError, sqlite3.Error):
        if write_ahead_log(path).stat().st_size == 0:
            with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=0)) as db:
                db.execute("SELECT 1 FROM sqlite_master").fetchone()


def _has_tables(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT EXISTS (SELECT 1 FROM sqlite_master)").fetchone()[0])


def _add_missing_tables(db: sqlite3.Connection) -> None:
    """Create the tables that an earlier version lacks, as temporary ones of this connection."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 1:
        db.executescript(TABLES_SINCE_2.replace("CREATE TABLE", "CREATE TEMP TABLE"))
    if version < VERSION_WITH_REUSE_KEYS:
        db.execute(VIEW_OF_REUSE_KEYS)
    if version < VERSION_WITH_DETAILS:
        db.executescript(TABLES_SINCE_6.replace("CREATE TABLE", "CREATE TEMP TABLE"))
    if version < VERSION_WITH_TIME_SERIES:
        db.executescript(TABLES_SINCE_8.replace("CREATE TABLE", "CREATE TEMP TABLE"))
    if version < VERSION_WITH_INTENTS:
        db.executescript(intents.TABLE.replace("CREATE TABLE", "CREATE TEMP TABLE"))


def refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    """Raise `InputError` for a database that is not a checkpoint or has a later version.

    Raises `sqlite3.DatabaseError` if it is damaged.
    """
    try:
        version = db.execute("PRAGMA user_version").fetchone()[0]
        application = db.execute("PRAGMA application_id").fetchone()[0]
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) != sqlite3.SQLITE_NOTADB:
            raise
        raise InputError(
            f"{path}: is not a checkpoint of batchrun: {error}. Choose another directory with -o"
        ) from None
    if application != APPLICATION_ID and tables:
        raise InputError(f"{path}: is not a checkpoint of batchrun. Choose another directory with -o")
    if version > VERSION:
        raise InputError(
            f"{path}: was written by a newer batchrun (format {version}, this one knows {VERSION}). Upgrade"
        )
    if tables and version <= 0:  # it would be taken for a new one, and emptied
        raise sqlite3.DatabaseError("it has tables, but no version")


@contextmanager
def read_snapshot(db: sqlite3.Connection) -> Iterator[None]:
    """Read one snapshot within the block, whatever other connections write meanwhile.

    A nested block reads the same snapshot as the outer one.
    """
    is_nested = db.in_transaction
    if not is_nested:
        db.execute("BEGIN")
    try:
        yield
    finally:
        if not is_nested and db.in_transaction:
            db.execute("ROLLBACK")
