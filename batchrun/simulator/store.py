"""Stores the simulated runs in an SQLite file, so that they survive the end of the process."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from batchrun.errors import StorageError
from batchrun.simulator.simulated_run import RunOutcome, SimulatedRun

APPLICATION_ID = 0x62617473  # "bats"
VERSION = 1

_SCHEMA = f"""
BEGIN;
CREATE TABLE runs (
    run_id TEXT PRIMARY KEY,
    workflow_id TEXT NOT NULL,
    inputs TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    before INTEGER NOT NULL,
    callback_url TEXT
) STRICT, WITHOUT ROWID;
CREATE TABLE posts (key TEXT PRIMARY KEY, seen INTEGER NOT NULL) STRICT, WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
COMMIT;
"""


class Store:
    """Runs and counts of POSTs. When a method returns, its change survives a kill of the process.

    A change may not survive a power failure. Every method raises `StorageError` if the file cannot be used.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the file (None: in memory). A file of another program is refused and left unchanged."""
        self._name = str(path) if path else "memory"
        try:
            if path:
                path.touch(mode=0o600)  # inputs may be private
            # An absolute path, because SQLite may read a relative one that begins with `file:` as a URI.
            # Whoever drops it without closing it leaves that to the garbage collector, which runs in any thread.
            name = path.absolute() if path else ":memory:"
            self._db = sqlite3.connect(name, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"{self._name}: cannot be opened: {error}") from None
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        tables = self._execute("SELECT count(*) FROM sqlite_schema")[0][0]
        application = self._execute("PRAGMA application_id")[0][0]
        version = self._execute("PRAGMA user_version")[0][0]
        new = not tables and not application and not version
        if not new and application != APPLICATION_ID:
            raise StorageError(f"{self._name}: is not a file of the simulator; it was left alone")
        if not new and version != VERSION:
            raise StorageError(f"{self._name}: was written by another version of batchrun ({version}, not {VERSION})")
        self._execute("PRAGMA journal_mode = WAL")
        self._execute("PRAGMA synchronous = OFF")
        if new:
            try:
                self._db.executescript(_SCHEMA)
            except sqlite3.Error as error:
                raise StorageError(f"{self._name}: {error}") from None
        self._execute("CREATE TABLE IF NOT EXISTS files (id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID")

    def _execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[int, ...]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._name}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _error_type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def count_post(self, key: str) -> int:
        """Count a POST with this key of workflow and inputs. Returns the number of earlier POSTs with the same key."""
        [(seen,)] = self._execute(
            "INSERT INTO posts VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET seen = seen + 1 RETURNING seen", (key,)
        )
        return seen - 1

    def add(self, run: SimulatedRun) -> None:
        """Store a run."""
        self._execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run.run_id, run.workflow_id, run.inputs, run.created_ms, run.duration_ms, run.outcome,
                run.earlier_posts, run.callback_url,
            ),
        )  # fmt: skip

    def get(self, run_id: str) -> SimulatedRun | None:
        """The run with this id, or None."""
        try:
            row = self._db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        except sqlite3.Error as error:
            raise StorageError(f"{self._name}: {error}") from None
        return None if row is None else _run(row)

    def add_file(self, file_id: str) -> None:
        """Store the id of an uploaded file."""
        self._execute("INSERT OR IGNORE INTO files VALUES (?)", (file_id,))

    def has_file(self, file_id: str) -> bool:
        """Whether a file with this id was uploaded."""
        return bool(self._execute("SELECT count(*) FROM files WHERE id = ?", (file_id,))[0][0])

    def awaiting_callback(self, now: int) -> list[SimulatedRun]:
        """The runs that end after `now` (UTC milliseconds) and have a callback URL."""
        try:
            rows = self._db.execute(
                "SELECT * FROM runs WHERE callback_url IS NOT NULL AND created_ms + duration_ms > ?", (now,)
            ).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._name}: {error}") from None
        return list(map(_run, rows))

    def counts(self) -> tuple[int, int]:
        """The number of runs, and how many of them repeat the workflow and inputs of another run."""
        [(runs, distinct)] = self._execute(
            "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM (SELECT DISTINCT workflow_id, inputs FROM runs))"
        )
        return runs, runs - distinct


def _run(row: tuple[Any, ...]) -> SimulatedRun:
    run_id, workflow_id, inputs, created_ms, duration_ms, outcome, earlier_posts, callback_url = row
    return SimulatedRun(
        run_id, workflow_id, inputs, created_ms, duration_ms, RunOutcome(outcome), earlier_posts, callback_url
    )
