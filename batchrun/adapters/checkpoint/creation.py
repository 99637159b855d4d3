"""Opens a checkpoint to write: creates its tables, upgrades those of an earlier version, or checks them."""

import atexit
import sqlite3
from functools import cache
from pathlib import Path

from batchrun.adapters.checkpoint.connection import refuse_foreign
from batchrun.adapters.checkpoint.damage import ADVICE
from batchrun.adapters.checkpoint.schema import APPLICATION_ID, TRANSITIONS, VERSION
from batchrun.adapters.checkpoint.transactions import BUSY_TIMEOUT_MS
from batchrun.adapters.checkpoint.upgrades import TRIGGERS, UPGRADES
from batchrun.errors import StorageError

PAGE_SIZE = 8192
"""Bytes."""

SMALL_TABLES = ("meta", "session", "transitions", "token_totals")
"""They have few rows in any job, so that they can be checked as a whole before anything is sent."""

_SCHEMA = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"


def open_tables(db: sqlite3.Connection, path: Path, *, is_new: bool) -> None:
    """Prepare a connection that writes: create the tables, upgrade those of an earlier version, or check them.

    Raises `InputError` for a database that is not a checkpoint, and `StorageError` if it is damaged.
    """
    if not is_new:
        refuse_foreign(db, path)
    db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA wal_autocheckpoint = 2000")
    db.execute(f"PRAGMA journal_size_limit = {64 << 20}")
    db.execute("PRAGMA cache_size = -4096")
    db.execute("PRAGMA temp_store = MEMORY")  # else each statement journal is a new file
    db.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    db.execute("PRAGMA trusted_schema = OFF")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        create(db)
    elif version < VERSION:
        upgrade(db, version)
    elif set(db.execute("SELECT * FROM transitions")) != set(TRANSITIONS):
        raise StorageError(f"{path}: is damaged: its table of transitions is another one. {ADVICE}")
    refuse_changed_schema(db, path)
    refuse_damaged(db, path, *SMALL_TABLES)


def create(db: sqlite3.Connection) -> None:
    """Create all tables in an empty database, in one transaction."""
    db.executescript("BEGIN IMMEDIATE; COMMIT")  # fails while another program holds it, for which `backup` would wait
    _empty_checkpoint().backup(db)


@cache
def _empty_checkpoint() -> sqlite3.Connection:
    """An empty checkpoint in memory. To copy it is ten times faster than to execute the statements of all versions."""
    db = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    atexit.register(db.close)
    db.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    upgrade(db, 0)
    return db


def refuse_changed_schema(db: sqlite3.Connection, path: Path) -> None:
    """Raise `StorageError` if a table, an index or a trigger is missing, or not declared as it was created.

    What another program has added (an index, statistics) is not refused.
    """
    found = dict(db.execute(_SCHEMA))
    for name, declaration in _empty_checkpoint().execute(_SCHEMA):
        if name not in found and name in TRIGGERS:
            raise StorageError(f"{path}: another program has removed its trigger {name}. {ADVICE}")
        if found.get(name) != declaration:
            raise StorageError(f"{path}: is damaged: {name} is missing, or declared in another way. {ADVICE}")


def refuse_damaged(db: sqlite3.Connection, path: Path, *tables: str) -> None:
    """Raise `StorageError` if these tables, or their indexes, are damaged. It reads them as a whole."""
    for table in tables:
        (found,) = db.execute(f"PRAGMA integrity_check({table})").fetchone()
        if found != "ok":
            raise StorageError(f"{path}: is damaged: {found.splitlines()[-1]}. {ADVICE}")


def upgrade(db: sqlite3.Connection, version: int) -> None:
    """Upgrade the tables from `version` to the current one, in one transaction."""
    db.executescript(
        f"BEGIN IMMEDIATE; {''.join(UPGRADES[version:])} "
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
    )
    db.execute("DELETE FROM transitions")
    db.executemany("INSERT INTO transitions VALUES (?, ?, ?)", TRANSITIONS)
    db.execute("COMMIT")
