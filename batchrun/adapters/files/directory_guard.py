"""Notices that a run directory, or a file that the job writes, was moved, removed or replaced while the job runs."""

import errno
import fcntl
import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ESTALE})

_F_GETPATH = getattr(fcntl, "F_GETPATH", None)
"""macOS: the command that returns the path of an open file."""


class DirectoryGuard:
    """Remembers which folders and files are at their paths. Keeps the folders open, so that no inode is used again.

    `files`: other files that the process has open, and keeps open, while the guard is used.
    """

    def __init__(self, folders: Sequence[Path], files: Sequence[Path]) -> None:
        self._folders = {folder: os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) for folder in folders}
        self._known = {path: path.stat() for path in (*folders, *files)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _error_type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        while self._folders:
            os.close(self._folders.popitem()[1])

    def problem(self) -> str | None:
        """What is no longer at its path, or was emptied; None if nothing is."""
        path = self.displaced()
        return None if path is None else self._describe(path)

    def displaced(self) -> Path | None:
        """The first path at which something else is now, or nothing, or a database that was emptied."""
        for path, known in self._known.items():
            try:
                found = path.stat()
                if os.path.samestat(found, known) and (found.st_size or not self._is_database(path, known)):
                    continue
            except OSError as error:
                if error.errno not in _GONE:
                    continue  # it cannot be looked at now, which proves nothing
            return path
        return None

    def _is_database(self, path: Path, known: os.stat_result) -> bool:
        """Whether the file had contents that it never loses. SQLite empties its log."""
        return path not in self._folders and known.st_size > 0 and path.suffix == ".db"

    def _describe(self, path: Path) -> str:
        if path not in self._folders:
            return f"{path}: was removed or replaced while the job was running"
        new_path = self.new_path(path)
        what = "removed" if new_path is None else f"moved to {new_path}"
        return f"{path}: was {what} while the job was running"

    def new_path(self, folder: Path) -> Path | None:
        """Where the folder is now; None if it was removed, or if the system does not say."""
        descriptor = self._folders[folder]
        try:
            if _F_GETPATH is not None:
                found = Path(os.fsdecode(fcntl.fcntl(descriptor, _F_GETPATH, bytes(1024)).rstrip(b"\0")))
            else:
                found = Path(f"/proc/self/fd/{descriptor}").readlink()
            return found if os.path.samestat(found.stat(), os.fstat(descriptor)) else None
        except OSError:
            return None
