"""Atomic writes: write a temporary file in the same folder, sync it to disk, and rename it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from batchrun.adapters.interruption import uninterrupted
from batchrun.errors import StorageError


def atomic_write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the content of the file. Raises `StorageError` on failure, and then leaves the file unchanged."""
    with replacing(path, mode=mode) as (file,):
        file.write(content)


@contextmanager
def replacing(*paths: Path, mode: int = 0o600) -> Iterator[tuple[IO[bytes], ...]]:
    """Open new files that replace `paths` when the block ends without an error. After an error all stay unchanged.

    `paths` are in one folder. The files stay in the folder that was at its path when the block began, even if it is
    moved meanwhile. Concurrent writers of the same paths wait for each other. `mode` is restricted by the umask. Raises
    `StorageError` for every OSError, including those of the block.
    """
    (parent,) = {path.parent for path in paths}
    temporary = [f".{path.name}.tmp" for path in paths]
    try:
        with ExitStack() as stack:
            folder = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, folder)
            files, locked = list[IO[bytes]](), list[str]()
            try:
                for name in temporary:
                    files.append(stack.enter_context(_open_locked(folder, name, mode)))
                    locked.append(name)
                yield tuple(files)
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
                for source, path in zip(temporary, paths, strict=True):
                    os.replace(source, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with uninterrupted():
                    for name in locked:  # another writer holds the others
                        with suppress(OSError):
                            os.unlink(name, dir_fd=folder)
                raise
            os.fsync(folder)
    except OSError as error:
        names = ", ".join(str(path) for path in paths)
        raise StorageError(f"{names}: cannot be written: {error.strerror or error}") from error


@contextmanager
def _open_locked(folder: int, name: str, mode: int) -> Iterator[IO[bytes]]:
    """Open the file, lock it and empty it. A file that a killed process left behind is reused."""
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.fdopen(os.open(name, flags, mode, dir_fd=folder), "r+b")
        with file:
            with suppress(OSError):  # not every file system supports locks
                fcntl.flock(file, fcntl.LOCK_EX)
            if not is_at(file.fileno(), name, folder):
                continue  # another writer has renamed it while we waited
            found = os.fstat(file.fileno()).st_mode & 0o777
            if found & ~mode:
                os.fchmod(file.fileno(), found & mode)
            file.truncate()
            yield file
            return


def sync_folder(path: Path) -> None:
    """Let the names in the folder survive a power failure. A folder that may not be read cannot be synced."""
    with suppress(PermissionError):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def is_at(descriptor: int, path: Path | str, folder: int | None = None) -> bool:
    """Whether the open file is still at `path`, which may be relative to an open `folder`."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, dir_fd=folder, follow_symlinks=False))
    except FileNotFoundError:
        return False
