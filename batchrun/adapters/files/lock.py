"""The lock of a run directory, which only one process may hold."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchrun.adapters.files.atomic import is_at
from batchrun.errors import JobBusyError, StorageError


@contextmanager
def owned(path: Path) -> Iterator[None]:
    """Hold a lock on the file `path`. Raises `JobBusyError` immediately if another process holds it.

    Never lock the database itself: closing any descriptor of it would release SQLite's locks. The system releases the
    lock when the process ends for any reason, so a lock is never stale.
    """
    descriptor = _locked(path)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _locked(path: Path) -> int:
    """Open and lock the file at `path`. Repeats if the file was removed meanwhile, because its lock excludes nobody."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"{path}: cannot be opened: {error.strerror}") from None
        try:
            _lock(descriptor, path)
            if is_at(descriptor, path):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip()
        who = f"process {holder}" if holder else "another process"
        raise JobBusyError(
            f"{path.parent}: {who} is working in this directory; nothing was changed. "
            f"Look at it with: batchrun status {path.parent}"
        ) from None
    except OSError as error:
        raise StorageError(f"{path}: cannot be locked: {error.strerror}") from None
