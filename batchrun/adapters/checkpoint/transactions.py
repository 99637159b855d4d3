"""Transactions on a database that other programs may hold, on a disk that may be full."""

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchrun.adapters.checkpoint.damage import damage_of, storage_error
from batchrun.errors import StorageError

log = logging.getLogger("batchrun")

BUSY_TIMEOUT_MS = 1000
"""Milliseconds that SQLite itself waits for another program, before it is said."""

MAX_WAITS = 900
"""A program that holds the checkpoint for this many times `BUSY_TIMEOUT_MS` ends the job."""

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
"""A write was refused, for lack of room (a quota is reported as a failed write). What a failed sync has written is
unknown; what a refused write has not written can be written again."""


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Convert SQLite errors other than constraint violations into `StorageError`. `path`: that of the database."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.OperationalError as error:
        if damage_of(error) is not None:
            raise storage_error(error, path) from None
        raise write_error(error, path) from None
    except sqlite3.DatabaseError as error:
        raise storage_error(error, path) from None
    except sqlite3.Error as error:
        raise write_error(error, path) from None


def write_error(error: sqlite3.Error, path: Path) -> StorageError:
    """The error of SQLite as it is shown, if the database cannot be written."""
    if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_READONLY:
        return StorageError(f"{path}: cannot be written: {error}. Make it writable, or put a copy of it back")
    return StorageError(f"{path}: cannot be written: {error}. Make room or mend the disk, then resume")


@contextmanager
def transaction(db: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Commit what the block writes, or nothing if it raises an error. Begins as `begin` does."""
    begin(db, path)
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        roll_back(db)
        raise


def begin(db: sqlite3.Connection, path: Path) -> None:
    """Begin a transaction that writes. Waits, and says so, while another program holds the database."""
    for attempt in range(MAX_WAITS):
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _BUSY or attempt == MAX_WAITS - 1:
                raise
            if not attempt:
                log.warning("another program holds %s; waiting until it lets go, and sending nothing new", path)
        else:
            if attempt:
                log.warning("%s is free again", path)
            return


def roll_back(db: sqlite3.Connection) -> None:
    """End a transaction without its changes. SQLite has done so itself after some errors."""
    if db.in_transaction:
        db.execute("ROLLBACK")


def is_full(error: sqlite3.Error) -> bool:
    """Whether a write was refused because the disk, or the user's share of it, is full."""
    code = getattr(error, "sqlite_errorcode", 0)  # errors of the module itself have none
    return code & 0xFF == sqlite3.SQLITE_FULL or code in _FULL
