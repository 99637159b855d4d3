"""Files that are there whole or not at all: written beside their place, made durable, then moved into it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from batchrun.errors import StorageError


def atomic_write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace the file by this content; raises `StorageError`, and leaves it as it was, where that fails."""
    with replacing(path, mode=mode) as (file,):
        file.write(content)


@contextmanager
def replacing(*paths: Path, mode: int = 0o600) -> Iterator[tuple[IO[bytes], ...]]:
    """New files that take the places of `paths` when the block ends without error; else all stay as they were.

    Whoever writes the same paths at the same time waits for its turn. `mode` is narrowed by the umask. Raises
    `StorageError` for every OSError, those of the block included.
    """
    waiting = [path.with_name(f".{path.name}.tmp") for path in paths]
    try:
        with ExitStack() as stack:
            files = tuple(stack.enter_context(_claimed(path, mode)) for path in waiting)
            try:
                yield files
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
                for source, target in zip(waiting, paths, strict=True):
                    source.replace(target)
            except BaseException:
                for path in waiting:
                    with suppress(OSError):
                        path.unlink()
                raise
            for folder in {path.parent for path in paths}:
                sync_folder(folder)
    except OSError as error:
        names = ", ".join(str(path) for path in paths)
        raise StorageError(f"{names}: cannot be written: {error.strerror or error}") from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _claimed(path: Path, mode: int) -> Iterator[IO[bytes]]:
    """The file, empty and ours alone: a lock keeps two writers apart, and a dead one's leftover is taken over."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, mode), "r+b")
        with file:
            with suppress(OSError):  # a file system without locks: then without
                fcntl.flock(file, fcntl.LOCK_EX)
            if not is_at(file.fileno(), path):
                continue  # while we waited, another writer moved it into its place
            found = os.fstat(file.fileno()).st_mode & 0o777
            if found & ~mode:
                os.fchmod(file.fileno(), found & mode)
            file.truncate()
            yield file
            return


def is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one at `path`."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat(follow_symlinks=False))
    except FileNotFoundError:
        return False
