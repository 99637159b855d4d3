"""Atomic writes: write a temporary file in the same folder, sync it to disk, and rename it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from batchrun.errors import StorageError


def atomic_write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the content of the file. Raises `StorageError` on failure, and then leaves the file unchanged."""
    with replacing(path, mode=mode) as (file,):
        file.write(content)


@contextmanager
def replacing(*paths: Path, mode: int = 0o600) -> Iterator[tuple[IO[bytes], ...]]:
    """Open new files that replace `paths` when the block ends without an error. After an error all stay unchanged.

    Concurrent writers of the same paths wait for each other. `mode` is restricted by the umask. Raises `StorageError`
    for every OSError, including those of the block.
    """
    temporary = [path.with_name(f".{path.name}.tmp") for path in paths]
    try:
        with ExitStack() as stack:
            files = tuple(stack.enter_context(_open_locked(path, mode)) for path in temporary)
            try:
                yield files
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
                for source, target in zip(temporary, paths, strict=True):
                    source.replace(target)
            except BaseException:
                for path in temporary:
                    with suppress(OSError):
                        path.unlink()
                raise
            for folder in {path.parent for path in paths}:
                sync_folder(folder)
    except OSError as error:
        names = ", ".join(str(path) for path in paths)
        raise StorageError(f"{names}: cannot be written: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Sync the entries of a folder to disk; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _open_locked(path: Path, mode: int) -> Iterator[IO[bytes]]:
    """Open the file, lock it and empty it. A file that a killed process left behind is reused."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode), "r+b")
        with file:
            with suppress(OSError):  # not every file system supports locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if not is_at(file.fileno(), path):
                continue  # another writer has renamed it while we waited
            found = os.fstat(file.fileno()).st_mode & 0o777
            if found & ~mode:
                os.fchmod(file.fileno(), found & mode)
            file.truncate()
            yield file
            return


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
