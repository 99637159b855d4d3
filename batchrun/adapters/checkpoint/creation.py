"""Creates the tables of a new checkpoint, and upgrades those of an earlier version."""

import atexit
import sqlite3
from functools import cache

from batchrun.adapters.checkpoint.schema import APPLICATION_ID, TRANSITIONS, UPGRADES, VERSION

PAGE_SIZE = 8192
"""Bytes."""


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


def upgrade(db: sqlite3.Connection, version: int) -> None:
    """Upgrade the tables from `version` to the current one, in one transaction."""
    db.executescript(
        f"BEGIN IMMEDIATE; {''.join(UPGRADES[version:])} "
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
    )
    db.execute("DELETE FROM transitions")
    db.executemany("INSERT INTO transitions VALUES (?, ?, ?)", TRANSITIONS)
    db.execute("COMMIT")
