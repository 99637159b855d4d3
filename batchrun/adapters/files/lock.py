"""The lock of a run directory, which only one process may hold."""

import fcntl
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchrun.adapters.files.atomic import is_at
from batchrun.errors import JobBusyError, StorageError

RETRIES, RETRY_SECONDS = 4, 0.02
"""`holder` takes the lock for an instant to see whether it is held. A process that meets this tries again."""


@dataclass(frozen=True, slots=True)
class Holder:
    """The process that locked a file last."""

    pid: int
    """0 in the moment in which it has locked the file and not written its number yet."""
    host: str
    is_alive: bool
    """Whether it holds the lock now."""


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Hold a lock on the file `path`. Raises `JobBusyError` if another process holds it.

    Never lock the database itself: closing any descriptor of it would release SQLite's locks. The system releases the
    lock when the process ends for any reason, so a lock is never stale.
    """
    descriptor = _locked(path)
    try:
        try:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {platform.node()}\n".encode(), 0)
        except OSError as error:
            raise StorageError(f"{path}: cannot be written: {error.strerror}") from None
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> Holder | None:
    """The process that locked the file at `path` last; None if none is recorded. Needs no permission to write."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # it may be a FIFO
    except OSError:
        return None
    try:
        is_alive = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            is_alive = True
        pid, _, host = os.pread(descriptor, 512, 0).decode("utf-8", "replace").strip().partition(" ")
        if not pid.isdigit():
            return Holder(0, host, is_alive) if is_alive else None
        return Holder(int(pid), host, is_alive)
    except OSError:
        return None
    finally:
        os.close(descriptor)


def refuse_held(path: Path) -> None:
    """Raise `JobBusyError` if another process holds the lock, for a command that reads something before it locks."""
    found = holder(path)
    if found is not None and found.is_alive:
        raise _busy(path, str(found.pid or ""), found.host)


def _locked(path: Path) -> int:
    """Open and lock the file at `path`. Repeats if the file was removed meanwhile, because its lock excludes nobody."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StorageError(f"{path}: cannot be opened: {error.strerror}") from None
        try:
            _lock(descriptor, path)
            if is_at(descriptor, path):
                return descriptor
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError):
                raise StorageError(f"{path}: cannot be read: {error.strerror}") from None
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    for attempt in range(RETRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt < RETRIES - 1:
                time.sleep(RETRY_SECONDS)  # noqa: TID251 - the event loop does not run yet
        except OSError as error:
            raise StorageError(f"{path}: cannot be locked: {error.strerror}") from None
        else:
            return
    try:
        pid, _, host = os.read(descriptor, 512).decode("utf-8", "replace").strip().partition(" ")
    except OSError:
        pid = host = ""
    raise _busy(path, pid, host)


def _busy(path: Path, pid: str, host: str) -> JobBusyError:
    who = f"process {pid}" if pid else "another process"
    where = f" on {host}" if host and host != platform.node() else ""
    return JobBusyError(
        f"{path.parent}: {who}{where} is working in this directory; nothing was changed. "
        f"To watch it: batchrun status {path.parent} --watch"
    )
