"""`progress.json`: how far the checkpoint was, in a small file of its own beside it.

It is written after each commit, without a sync. A commit is on disk before it is written here, so after a crash or a
power failure this file may be behind the database, but never ahead of it. If it is ahead, records have been lost: the
database was deleted, replaced by an older copy, or copied without its write-ahead log.
"""

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from batchrun.adapters.checkpoint import reader, session_reader
from batchrun.errors import StorageError

_SIZE = 256
"""Every version of the file has this many bytes, so that it is replaced by one write and never needs more space."""


class Progress(msgspec.Struct, frozen=True):
    """How far a job was.

    `session`, `started_at`: the last session. `changes`: the row changes of all sessions. `rows`: the number after the
    highest row that may have been submitted. `inode`: that of the database; a copy has another one.
    """

    job_id: str
    session: int
    started_at: int
    changes: int
    rows: int
    inode: int


def read_progress(path: Path) -> Progress | None:
    """Read the file; None if there is none, or if a power failure has left it without contents."""
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except (OSError, msgspec.MsgspecError, UnicodeError):
        return None


def progress_of(db: sqlite3.Connection, inode: int) -> Progress:
    """The progress according to the database."""
    sessions = session_reader.sessions(db)
    changes = sum(session.changes for session in sessions)
    last = sessions[-1] if sessions else None
    session, started_at = (last.id, last.started_at) if last else (0, 0)
    job_id = reader.meta(db).get("job_id", "")
    return Progress(job_id, session, started_at, changes, reader.touched(db)[1], inode)


def is_of_another_job(db: sqlite3.Connection, found: Progress) -> bool:
    """Whether the database, or the write-ahead log that SQLite has applied to it, is not of the job of `found`."""
    started = {session.id: session.started_at for session in session_reader.sessions(db)}
    return progress_of(db, 0).job_id != found.job_id or started.get(found.session, found.started_at) != found.started_at


def is_behind(db: sqlite3.Connection, found: Progress) -> bool:
    """Whether the database lacks records that it had when `found` was written."""
    now = progress_of(db, 0)
    return now.session < found.session or now.changes < found.changes or now.rows < found.rows


class ProgressFile:
    """Writes the progress of the job that is running. The first of `paths` is written at every update.

    The others, which may be on a slow file system, are written at the beginning and at the end only.
    """

    def __init__(self, paths: Sequence[Path], progress: Progress) -> None:
        self._progress = progress
        self._files: list[int] = []
        try:
            for path in paths:
                self._files.append(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
                self._write(self._files[-1])
        except OSError as error:
            self.close()
            raise StorageError(f"{path}: cannot be written: {error.strerror}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _error_type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def update(self, changes: int, rows: int) -> None:
        """Write the progress after a commit of `changes` row changes, with the highest row below `rows`."""
        before = self._progress
        self._progress = msgspec.structs.replace(before, changes=before.changes + changes, rows=max(before.rows, rows))
        with suppress(OSError):  # the file is then behind the database, as after a power failure
            self._write(self._files[0])

    def _write(self, file: int) -> None:
        os.pwrite(file, msgspec.json.encode(self._progress).ljust(_SIZE - 1) + b"\n", 0)

    def close(self) -> None:
        """Write the last progress to all files and close them."""
        while self._files:
            file = self._files.pop()
            with suppress(OSError):
                self._write(file)
            os.close(file)
