"""The runs, in an SQLite file, so that they outlive the process however it ends."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from batchrun.errors import StorageError
from batchrun.simulator.simulated_run import Outcome, Run

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
    """What the service must remember. Every call is durable against a kill of the process when it returns.

    Not against a power cut: nothing was paid for. Every method raises `StorageError` when the file cannot be used.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open or create the file; without `path`, in memory. A file that is not a simulator's is refused untouched."""
        self._name = str(path) if path else "memory"
        try:
            if path:
                path.touch(mode=0o600)  # inputs may be private
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"{self._name}: cannot be opened: {error}") from None
        try:
            self._prepare()
        except BaseException:
            self._db.close()
            raise

    def _prepare(self) -> None:
        tables = self._ask("SELECT count(*) FROM sqlite_schema")[0][0]
        application = self._ask("PRAGMA application_id")[0][0]
        version = self._ask("PRAGMA user_version")[0][0]
        new = not tables and not application and not version
        if not new and application != APPLICATION_ID:
            raise StorageError(f"{self._name}: is not a file of the simulator; it was left alone")
        if not new and version != VERSION:
            raise StorageError(f"{self._name}: was written by another version of batchrun ({version}, not {VERSION})")
        self._ask("PRAGMA journal_mode = WAL")
        self._ask("PRAGMA synchronous = OFF")
        if new:
            try:
                self._db.executescript(_SCHEMA)
            except sqlite3.Error as error:
                raise StorageError(f"{self._name}: {error}") from None

    def _ask(self, statement: str, values: Sequence[object] = ()) -> list[tuple[int, ...]]:
        try:
            return self._db.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._name}: {error}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def count_post(self, key: str) -> int:
        """Count one more POST with the inputs that `key` stands for; returns how many came before."""
        [(seen,)] = self._ask(
            "INSERT INTO posts VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET seen = seen + 1 RETURNING seen", (key,)
        )
        return seen - 1

    def add(self, run: Run) -> None:
        """Remember a run."""
        self._ask(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                run.run_id, run.workflow_id, run.inputs, run.created_ms, run.duration_ms, run.outcome, run.before,
                run.callback_url,
            ),
        )  # fmt: skip

    def get(self, run_id: str) -> Run | None:
        """The run of this id."""
        try:
            row = self._db.execute("SELECT * FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        except sqlite3.Error as error:
            raise StorageError(f"{self._name}: {error}") from None
        return None if row is None else _run(row)

    def uncalled(self, now: int) -> list[Run]:
        """The runs that end after `now` (UTC milliseconds) and are to be called back then."""
        try:
            rows = self._db.execute(
                "SELECT * FROM runs WHERE callback_url IS NOT NULL AND created_ms + duration_ms > ?", (now,)
            ).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"{self._name}: {error}") from None
        return list(map(_run, rows))

    def counts(self) -> tuple[int, int]:
        """How many runs there are, and how many of them for inputs that had one already: what was paid for twice."""
        [(runs, distinct)] = self._ask(
            "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM (SELECT DISTINCT workflow_id, inputs FROM runs))"
        )
        return runs, runs - distinct


def _run(row: tuple[Any, ...]) -> Run:
    run_id, workflow_id, inputs, created_ms, duration_ms, outcome, before, callback_url = row
    return Run(run_id, workflow_id, inputs, created_ms, duration_ms, Outcome(outcome), before, callback_url)
