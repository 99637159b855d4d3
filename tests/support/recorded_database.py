"""SQLite on a recorded disk: `sqlite3.connect` opens databases through apsw, whose VFS tells of each change of a file.

The code that is tested calls `sqlite3` as ever. What it executes is executed by the SQLite within apsw. The VFS passes
everything on to the files, so that several connections work together as usual.
"""

import errno
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import apsw

from tests.support.recorded_files import Recorder

_NUMBERS = count()
_NEW_LOG = apsw.SQLITE_OPEN_WAL | apsw.SQLITE_OPEN_MAIN_JOURNAL
_FULL = apsw.FullError, apsw.SQLITE_FULL, "database or disk is full"
_FAILURES = {
    "create": (apsw.CantOpenError, apsw.SQLITE_CANTOPEN, "unable to open database file"),
    "write": (apsw.IOError, apsw.SQLITE_IOERR_WRITE, "disk I/O error"),
    "sync": (apsw.IOError, apsw.SQLITE_IOERR_FSYNC, "disk I/O error"),
    "delete": (apsw.IOError, apsw.SQLITE_IOERR_DELETE, "disk I/O error"),
}
_CLASSES = {
    apsw.ConstraintError: sqlite3.IntegrityError,
    apsw.CorruptError: sqlite3.DatabaseError,
    apsw.NotADBError: sqlite3.DatabaseError,
}

Contents = Mapping[str, object]
"""The rows of each table, its statement, and the numbers in the header of the database."""


def _ask(recorder: Recorder, operation: str, path: Path) -> None:
    """Let the recorder refuse an operation. Raises the error that SQLite's own VFS reports then."""
    try:
        recorder.before(operation, path)
    except OSError as error:
        is_full = operation == "write" and error.errno == errno.ENOSPC
        kind, code, text = _FULL if is_full else _FAILURES[operation]
        failure = kind(text)
        failure.extendedresult = code  # type: ignore[attr-defined]
        raise failure from None


class _File(apsw.VFSFile):
    def __init__(self, recorder: Recorder, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        path = Path(name.filename() if isinstance(name, apsw.URIFilename) else str(name))
        is_new = not path.exists()
        if is_new:
            _ask(recorder, "create", path)
        super().__init__("", name, flags)
        self._recorder, self._path = recorder, path
        self._file = recorder.opened(path, is_new=is_new)
        # SQLite itself syncs the folder when it first syncs a log that it may have created.
        self._syncs_folder = bool(flags[0] & apsw.SQLITE_OPEN_CREATE and flags[0] & _NEW_LOG)

    def xWrite(self, data: Any, offset: int) -> None:
        _ask(self._recorder, "write", self._path)
        super().xWrite(data, offset)
        self._recorder.written(self._file, offset, bytes(data))

    def xTruncate(self, newsize: int) -> None:
        _ask(self._recorder, "write", self._path)
        super().xTruncate(newsize)
        self._recorder.truncated(self._file, newsize)

    def xLock(self, level: int) -> None:
        try:
            super().xLock(level)
        except apsw.IOError:
            # SQLite itself asks for more than a file that is open for reading allows, and goes on. An exception would
            # reach the caller, unless it is this one.
            raise apsw.BusyError from None

    def xSync(self, flags: int) -> None:
        _ask(self._recorder, "sync", self._path)
        super().xSync(flags)
        self._recorder.synced(self._file)
        if self._syncs_folder:
            self._recorder.folder_synced(self._path.parent)
            self._syncs_folder = False


class _Vfs(apsw.VFS):
    def __init__(self, recorder: Recorder) -> None:
        self.name, self._recorder = f"recorded-{next(_NUMBERS)}", recorder
        super().__init__(self.name, "")

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self._recorder, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        _ask(self._recorder, "delete", Path(filename))
        super().xDelete(filename, syncdir)
        self._recorder.unnamed(Path(filename))
        if syncdir:
            self._recorder.folder_synced(Path(filename).parent)


class _Result:
    """All that a statement gave."""

    def __init__(self, rows: list[tuple[Any, ...]], lastrowid: int) -> None:
        self._rows, self.lastrowid = iter(rows), lastrowid

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)


class _Connection(sqlite3.Connection):
    """A connection of apsw with the methods of `sqlite3`. The base class is an empty database in memory.

    It is what `sqlite3.Connection.backup` copies to; what it has then is copied on.
    """

    def __init__(
        self, vfs: _Vfs, database: str, rewritten: Callable[[str], str], on_commit: Callable[[sqlite3.Connection], None]
    ) -> None:
        super().__init__(":memory:", isolation_level=None, check_same_thread=False)
        self._rewritten, self._on_commit = rewritten, on_commit
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
        with _translated():
            self.real = apsw.Connection(database, flags, vfs=vfs.name)
        self._expects_backup = True

    @property
    def in_transaction(self) -> bool:
        return self.real.in_transaction

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        self._copy_backup()
        with _translated():
            rows = self.real.execute(self._rewritten(sql), parameters).fetchall()
            result = _Result(rows, self.real.last_insert_rowid())
        if sql == "COMMIT":
            self._on_commit(self)
        return result

    def executemany(self, sql: str, parameters: Iterable[Any]) -> Any:
        for values in parameters:
            self.execute(sql, values)

    def executescript(self, sql_script: str) -> Any:
        self.execute(sql_script)

    def close(self) -> None:
        super().close()
        with suppress(apsw.Error):  # `sqlite3` ignores it
            self.real.close()

    def _copy_backup(self) -> None:
        if self._expects_backup and super().execute("PRAGMA page_count").fetchone()[0]:
            self._expects_backup = False
            memory = apsw.Connection(":memory:")
            memory.deserialize("main", super().serialize())
            with _translated(), self.real.backup("main", memory, "main") as backup:
                backup.step()
            memory.close()
            self._on_commit(self)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        kind = _CLASSES.get(type(error), sqlite3.OperationalError)
        translated = kind(str(error))
        translated.sqlite_errorcode = getattr(error, "extendedresult", 0)
        raise translated from None


def contents(db: sqlite3.Connection) -> Contents:
    """All that a database holds."""
    found = dict[str, object]()
    for name in ("user_version", "application_id"):
        (found[name],) = db.execute(f"PRAGMA {name}").fetchone()
    for name, sql in sorted(db.execute("SELECT name, sql FROM main.sqlite_master").fetchall()):
        is_table = str(sql).startswith("CREATE TABLE")
        found[name] = sql, sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr) if is_table else None
    return found


@contextmanager
def recorded_databases(
    recorder: Recorder, rewritten: Callable[[str], str] = str, *, noting: bool = True
) -> Iterator[None]:
    """While the context is open, all databases in files are opened so.

    `rewritten` may change statements. `noting`: the contents are noted after each commit.
    """
    connect, vfs = sqlite3.connect, _Vfs(recorder)

    def on_commit(db: sqlite3.Connection) -> None:
        if noting:
            recorder.noted(contents(db))

    def recorded_connect(database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        if str(database) == ":memory:":
            in_memory: sqlite3.Connection = connect(database, *arguments, **options)
            return in_memory
        return _Connection(vfs, str(database), rewritten, on_commit)

    sqlite3.connect = recorded_connect  # type: ignore[assignment]
    try:
        yield
    finally:
        sqlite3.connect = connect
        vfs.unregister()
