"""Makes a checkpoint of an earlier version out of one of the present version, with the rows of a real job."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from batchrun.adapters.checkpoint.intents import select_rows
from batchrun.adapters.checkpoint.schema import APPLICATION_ID, ROW_COLUMNS, TRANSITIONS, VERSION_WITH_INTENTS
from batchrun.adapters.checkpoint.upgrades import UPGRADES
from batchrun.domain.filenames import sqlite_files

RENAMED_IN_5 = {
    "refunded": "not_the_rows_fault",
    "unconfirmed": "sent_no_proof",
    "run_completed": "finished_ok",
    "run_failed": "finished_bad",
    "found_after_restart": "restarted",
}
"""The events of version 5, and what they were called before."""


def make_earlier(path: Path, version: int) -> None:
    """Replace the checkpoint by one of this version. What the version does not know is left out."""
    earlier = path.with_name("earlier.db")
    with closing(sqlite3.connect(path)) as now, closing(sqlite3.connect(earlier, isolation_level=None)) as db:
        db.execute("PRAGMA page_size = 8192")
        db.executescript("".join(UPGRADES[:version]))
        triggers = dict(db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        for name in triggers:
            db.execute(f"DROP TRIGGER {name}")
        known = {name for (name,) in now.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table in known - {"transitions", "token_totals"}:
                _copy(now, db, table)
        if version < VERSION_WITH_INTENTS:
            _insert(db, "rows", ", ".join(ROW_COLUMNS), now.execute(select_rows(ROW_COLUMNS)).fetchall())
        _old_names(db, version)
        for statement in triggers.values():
            db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {version}")
        db.execute("PRAGMA journal_mode = WAL")
    for file in sqlite_files(path):
        file.unlink(missing_ok=True)
    earlier.rename(path)
    path.chmod(0o600)


def _copy(source: sqlite3.Connection, target: sqlite3.Connection, table: str) -> None:
    names = ", ".join(name for _, name, *_ in target.execute(f"PRAGMA table_info({table})"))
    _insert(target, table, names, source.execute(f"SELECT {names} FROM {table}").fetchall())


def _insert(target: sqlite3.Connection, table: str, names: str, rows: Sequence[Sequence[object]]) -> None:
    if rows:
        target.executemany(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(rows[0]))})", rows)


def _old_names(db: sqlite3.Connection, version: int) -> None:
    if version >= 5:
        db.executemany("INSERT INTO transitions VALUES (?, ?, ?)", TRANSITIONS)
        return
    old = ((state, RENAMED_IN_5.get(event, event), becomes) for state, event, becomes in TRANSITIONS)
    db.executemany("INSERT INTO life VALUES (?, ?, ?)", old)
    for new, event in RENAMED_IN_5.items():
        db.execute("UPDATE rows SET event = ? WHERE event = ?", (event, new))
