"""Room on the disk that is set aside, so that answers to requests in progress can be recorded when the disk is full."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from batchrun.adapters.checkpoint.entries import AnyEntry
from batchrun.adapters.checkpoint.transactions import is_full, write_error

SIZE = 8 << 20
"""A commit of a single row writes some 50 kB to the log, whatever the size of the row."""

_SHARE = 4
"""At most a quarter of the free room is set aside."""

_PIECE = 1 << 20


class Reserve:
    """A file without a name, which is deleted when it is closed or the process ends."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] | None = None
        self._size = min(SIZE, shutil.disk_usage(folder).free // _SHARE)
        with suppress(OSError):  # without a reserve the job works all the same
            self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - closed by `release`
            _allocate(self._file.fileno(), self._size)

    def release(self) -> None:
        """Give the room back."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def use(self, db: sqlite3.Connection, path: Path) -> None:
        """Give the room back, and make the log of the database at `path` start anew, in the room that it has."""
        self.release()
        db.execute("PRAGMA wal_autocheckpoint = 0")  # the database would grow into the room for the log
        (pages,), (page_size,) = (db.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size"))
        if pages * page_size - path.stat().st_size <= self._size // 2:
            with suppress(sqlite3.Error):
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def commit_what_fits(
    entries: Sequence[AnyEntry],
    commit: Callable[[Sequence[AnyEntry]], list[Exception | None]],
    use_reserve: Callable[[], None],
    path: Path,
) -> list[Exception | None]:
    """Commit the entries. If there is no room, use the reserve; if that is used up, commit what still fits.

    `path`: that of the database. Returns one result per entry: None, or the error that refused it.
    """
    for _ in range(2):
        try:
            return commit(entries)
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise
            use_reserve()
            failure = write_error(error, path)
    half = len(entries) // 2
    if not half:
        return [failure] * len(entries)
    first, second = entries[:half], entries[half:]
    results = commit_what_fits(first, commit, use_reserve, path)
    lost = {entry.row.row for entry, result in zip(first, results, strict=True) if result is not None}
    # A later change of the same row cannot be recorded either.
    rest = [entry for entry in second if entry.row.row not in lost]
    found = iter(commit_what_fits(rest, commit, use_reserve, path))
    return results + [failure if entry.row.row in lost else next(found) for entry in second]


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        if size:
            os.posix_fallocate(descriptor, 0, size)
        return
    for _ in range(size // _PIECE):  # macOS; random, because a file system may compress zeros
        os.write(descriptor, os.urandom(_PIECE))
