"""The checkpoint: an SQLite database that records the state of a job.

It uses WAL with synchronous=FULL, so committed data survives a power failure. There is exactly one read-write
connection, used by one thread at a time. All other code reads through `reader` on a connection of its own.
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from batchrun.adapters.checkpoint import evidence, reader, session_reader
from batchrun.adapters.checkpoint.creation import open_tables, refuse_damaged
from batchrun.adapters.checkpoint.damage import ADVICE, damage_of
from batchrun.adapters.checkpoint.entries import AnyEntry, write_alone, write_entries
from batchrun.adapters.checkpoint.progress_file import Progress, ProgressFile, progress_of
from batchrun.adapters.checkpoint.reserve import Reserve, commit_what_fits
from batchrun.adapters.checkpoint.statements import UPSERT_META, UPSERT_UPLOAD
from batchrun.adapters.checkpoint.time_series import SavedSeries, make_room
from batchrun.adapters.checkpoint.transactions import is_full, storage_errors, transaction
from batchrun.adapters.files.filesystem import refuse_network_filesystem
from batchrun.domain.counters import Counters
from batchrun.domain.row import Row
from batchrun.domain.states import Event, State
from batchrun.domain.tally import Tally
from batchrun.errors import BugError, StorageError

T = TypeVar("T")

_SUBMIT_STARTED = Event.SUBMIT_STARTED.value

CHANGES_PER_TOUCHED = 50_000
"""Row changes between two updates of `meta.touched`, from which `reader.touched_prefix` continues after a kill."""


class Checkpoint:
    """The only read-write connection. Opens or creates the database at `path`, and upgrades an earlier version."""

    def __init__(self, path: Path) -> None:
        refuse_network_filesystem(path.parent)
        self._path = path
        new = not path.exists()
        try:
            if new:
                path.touch(mode=0o600)
            # An absolute path, because SQLite may read a relative one that begins with `file:` as a URI.
            self._db = sqlite3.connect(path.absolute(), isolation_level=None, check_same_thread=False)
            try:
                open_tables(self._db, path, is_new=new)
            except BaseException:
                self._db.close()
                raise
        except (OSError, sqlite3.Error) as error:
            if (damage := damage_of(error)) is not None:
                raise StorageError(f"{path}: is damaged: {damage}. {ADVICE}") from None
            advice = ". Is the disk full? Make room" if isinstance(error, sqlite3.Error) and is_full(error) else ""
            raise StorageError(f"{path}: cannot be opened as a checkpoint: {error}{advice}") from None
        self._session = self._irregular_before = 0
        self._known = {"known_echoes": "", "unhelpful_rows": "", "measures": "", "workers": ""}
        self._changes_since_touched = 0
        self._series = SavedSeries()
        self.progress: ProgressFile | None = None
        """Where each commit is noted."""
        self.is_full = False
        """Whether the disk is full, so that the reserve is being used."""
        self._reserve = Reserve(path.parent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error_type: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write the WAL back into the database file and close."""
        self._reserve.release()
        try:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            pass  # on a full disk the WAL stays beside the database, and no data is lost
        finally:
            self._db.close()

    def copy_into_database(self) -> None:
        """Write the WAL back into the database file, so that what was recorded so far survives the loss of the WAL."""
        with storage_errors(self._path):
            self._db.execute("PRAGMA wal_checkpoint(PASSIVE)")

    @contextmanager
    def _changing(self) -> Iterator[None]:
        with storage_errors(self._path), transaction(self._db, self._path):
            yield

    # -- queries and sessions

    def read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        """The result of a query. It sees this database, whatever is at its path now."""
        with storage_errors(self._path):
            return query(self._db)

    def meta(self) -> dict[str, str]:
        """The recorded facts about the job as a whole."""
        with storage_errors(self._path):
            return reader.meta(self._db)

    def set_meta(self, **values: str) -> None:
        """Record facts about the job as a whole in one transaction."""
        with self._changing():
            self._db.executemany(UPSERT_META, values.items())

    def delete_meta(self, name: str) -> None:
        """Forget one fact about the job as a whole."""
        with self._changing():
            self._db.execute("DELETE FROM meta WHERE name = ?", (name,))

    def tally(self, total: int) -> Tally:
        """The counts of a job of `total` rows."""
        with storage_errors(self._path):
            return reader.tally(self._db, total)

    def between(self, start: int, stop: int) -> dict[int, Row]:
        """The recorded rows from `start` up to but excluding `stop`."""
        with storage_errors(self._path):
            return reader.between(self._db, start, stop)

    def rows(self, *states: State) -> Iterator[Row]:
        """The rows in `states`, in input order. The checkpoint may be written to between two of them."""
        return reader.rows(self._db, *states)

    def is_untouched(self) -> bool:
        """Whether nothing is recorded of any row, and no file was uploaded."""
        with storage_errors(self._path):
            return evidence.is_untouched(self._db)

    def was_only_refused(self) -> bool:
        """Whether nothing of the job exists at the service (see `evidence.was_only_refused`)."""
        with storage_errors(self._path):
            return evidence.was_only_refused(self._db)

    def has_runs(self) -> bool:
        """Whether a row has a run_id that a request of this job got."""
        with storage_errors(self._path):
            return evidence.has_runs(self._db)

    def progress_so_far(self) -> Progress:
        """How far the job is."""
        with storage_errors(self._path):
            return progress_of(self._db, self._path.stat().st_ino)

    def last_session(self) -> session_reader.Session | None:
        """The previous session, if any."""
        sessions = [session for session in session_reader.sessions(self._db) if session.id != self._session]
        return sessions[-1] if sessions else None

    def begin_session(self, at: int, version: str) -> int:
        """Start a session and return its id."""
        with self._changing():
            self._save_touched()
            make_room(self._db)
            self._db.execute("DELETE FROM meta WHERE name IN ('reason', 'advised_options', 'is_mistake', 'workers')")
            cursor = self._db.execute(
                "INSERT INTO session (started_at, last_at, version, ended_before) VALUES (?, ?, ?, ?)",
                (at, at, version, self.tally(0).worked),
            )
            self._session, self._series = cursor.lastrowid or 0, SavedSeries()
            self._irregular_before = reader.irregular_outputs(self._db)
        return self._session

    def discount_submissions(self, session: int, count: int) -> None:
        """Count so many POSTs less for a session, because it was killed before they left."""
        with self._changing():
            self._db.execute("UPDATE session SET submissions = max(0, submissions - ?) WHERE id = ?", (count, session))

    def record_workflow_version(self, version: str) -> str | None:
        """Record the workflow's version that this session meets; the one that the last session met, if any."""
        with self._changing():
            known = self._db.execute(
                "SELECT workflow_version FROM session WHERE workflow_version IS NOT NULL AND id < ? "
                "ORDER BY id DESC LIMIT 1",
                (self._session,),
            ).fetchone()
            self._db.execute("UPDATE session SET workflow_version = ? WHERE id = ?", (version, self._session))
        return None if known is None else str(known[0])

    def restart_rate(self, is_retried: Callable[[Row], bool]) -> None:
        """Measure the session's rate from here: set the number of rows that have ended, without those to be retried."""
        with self._changing():
            retried = sum(is_retried(row) for row in self.rows(State.TIMED_OUT))
            ended = self.tally(0).worked - retried
            self._db.execute("UPDATE session SET ended_before = ? WHERE id = ?", (ended, self._session))

    def end_session(self, at: int, exit_code: int, counters: Counters, elapsed_s: float, **meta: str) -> None:
        """End the session with its exit code, and set these values in the same transaction (see `begin_session`)."""
        with self._changing():
            self._update_session(counters, at, elapsed_s, 0)
            self._save_touched()
            self._db.executemany(UPSERT_META, meta.items())
            self._db.execute(
                "UPDATE session SET ended_at = ?, exit_code = ? WHERE id = ?", (at, exit_code, self._session)
            )

    def record_upload(self, digest: str, reference: str, at: int) -> None:
        """Record the reference of the uploaded file with this digest."""
        with self._changing():
            self._db.execute(UPSERT_UPLOAD, (digest, reference, at))

    # -- row changes

    def commit(
        self, entries: Sequence[AnyEntry], counters: Counters, at: int, elapsed_s: float
    ) -> list[Exception | None]:
        """Commit `entries` in one transaction. Returns one result per entry: None, or the error that refused it.

        A refused entry, or one for which there is no room, does not affect the others. Raises `StorageError` if the
        commit failed; the caller must then stop sending requests.
        """
        with storage_errors(self._path):
            return commit_what_fits(
                entries, lambda part: self._commit(part, counters, at, elapsed_s), self._use_reserve, self._path
            )

    def _use_reserve(self) -> None:
        self.is_full = True
        self._reserve.use(self._db, self._path)

    def _commit(
        self, entries: Sequence[AnyEntry], counters: Counters, at: int, elapsed_s: float
    ) -> list[Exception | None]:
        try:
            return self._write(entries, counters, at, elapsed_s, one_by_one=False)
        except sqlite3.IntegrityError:
            results = self._write(entries, counters, at, elapsed_s, one_by_one=True)
            if any(isinstance(found, BugError) for found in results):
                refuse_damaged(self._db, self._path, "rows", "intents")  # else it is no bug
            return results

    def _write(
        self,
        entries: Sequence[AnyEntry],
        counters: Counters,
        at: int,
        elapsed_s: float,
        *,
        one_by_one: bool,
    ) -> list[Exception | None]:
        results = list[Exception | None]()
        with transaction(self._db, self._path):
            if one_by_one:
                results += [write_alone(self._db, entry) for entry in entries]
            else:
                write_entries(self._db, entries)
                results += [None] * len(entries)
            self._update_session(counters, at, elapsed_s, len(entries))
            self._changes_since_touched += len(entries)
            if self._changes_since_touched >= CHANGES_PER_TOUCHED:
                self._save_touched()
        self._series.committed()
        if self.progress is not None and entries:
            submitted = [entry.row.row for entry in entries if entry.name == _SUBMIT_STARTED]
            self.progress.update(len(entries), max(submitted, default=-1) + 1)
        return results

    def _update_session(self, counters: Counters, at: int, elapsed_s: float, changes: int) -> None:
        self._db.execute(
            "UPDATE session SET last_at = ?, submissions = ?, polls = ?, throttled = ?, elapsed_s = ?, "
            "changes = changes + ? WHERE id = ?",
            (at, counters.submissions, counters.polls, counters.throttled, elapsed_s, changes, self._session),
        )
        if outputs := counters.irregular_outputs:
            self._db.execute(UPSERT_META, ("irregular_outputs", str(self._irregular_before + outputs)))
        known = {name: getattr(counters, name) for name in self._known}
        self._db.executemany(UPSERT_META, known.items() - self._known.items())
        self._known = known
        if not self.is_full:  # what is left of the disk is for rows
            self._series.save(self._db, self._session, counters.time_series)

    def _save_touched(self) -> None:
        self._db.execute(UPSERT_META, ("touched", str(reader.touched_prefix(self._db))))
        self._changes_since_touched = 0
