"""Records what happens to the files below a folder: who calls the functions of `os` need not know of it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from batchrun.domain.filenames import MARKS
from tests.support.disk_model import (
    DiskEvent,
    FolderSynced,
    Named,
    Noted,
    Renamed,
    Synced,
    Truncated,
    Unnamed,
    Written,
)


class Recorder:
    """The events of a folder and of all files below it, in their order. What is there already is on the disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[DiskEvent] = []
        self.follow: Callable[[DiskEvent], None] = self.events.append
        """Takes each event."""
        self.before: Callable[[str, Path], None] = lambda _operation, _path: None
        """Called before each `create`, `rename`, `delete`, `write` and `sync`, which an `OSError` refuses."""
        self._numbers = count()
        self._files: dict[tuple[int, int], int] = {}
        """The file with this device and inode."""
        self._known: dict[int, bytes] = {}
        """The contents of a file that is written in other ways than are recorded, as they were seen last."""

        if root.exists():
            self.follow(Named(root, None))
            self.folder_synced(root.parent)
        for path in sorted(root.rglob("*")):
            if self.covers(path) and path.is_file():
                file = self.opened(path, is_new=True)
                self.written(file, 0, path.read_bytes())
                self.synced(file)
                self.folder_synced(path.parent)
        self.start = len(self.events)
        """The number of events that say what was there already."""

    def covers(self, path: Path) -> bool:
        """Whether the file or folder is recorded."""
        return path == self.root.parent or (path.is_relative_to(self.root) and not path.name.endswith("-shm"))

    def opened(self, path: Path, *, is_new: bool) -> int:
        """The number of the file that is at this path."""
        found = path.stat()
        key = found.st_dev, found.st_ino
        if is_new or key not in self._files:
            self._files[key] = next(self._numbers)
            self.follow(Named(path, self._files[key]))
        return self._files[key]

    def written(self, file: int, at: int, data: bytes) -> None:
        """Bytes were written."""
        self.follow(Written(file, at, data))

    def truncated(self, file: int, size: int) -> None:
        """A file was cut to this size, or extended to it."""
        self.follow(Truncated(file, size))

    def synced(self, file: int) -> None:
        """A file was synced."""
        self.follow(Synced(file))

    def looked_at(self, path: Path) -> int | None:
        """Notice what has been written into a file since the last look, in a way that is not recorded."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        file = self._files.get((found.st_dev, found.st_ino))
        if file is not None and not path.name.startswith("checkpoint.db"):
            content, known = path.read_bytes(), self._known.get(file, b"")
            if content != known:
                if len(content) < len(known):
                    self.truncated(file, len(content))
                self.written(file, 0, content)
                self._known[file] = content
        return file

    def unnamed(self, path: Path) -> None:
        """A file was deleted."""
        if self.covers(path):
            self.follow(Unnamed(path))

    def folder_synced(self, path: Path) -> None:
        """A folder was synced."""
        self.follow(FolderSynced(path))

    def noted(self, what: object) -> None:
        """The test notes something. Memory that is mapped to a file may be in the file by now."""
        self.looked_at(self.root / MARKS)
        self.follow(Noted(what))


class _Functions:
    """The functions of `os` that change files, each with what it records."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._original = {
            name: getattr(os, name) for name in ("open", "mkdir", "replace", "unlink", "fsync", "pwrite", "write")
        }
        self._paths: dict[int, Path] = {}
        """The path of each open descriptor."""

    def install(self) -> None:
        for name in self._original:
            setattr(os, name, getattr(self, name))
        os.rename = self.replace

    def remove(self) -> None:
        for name, function in self._original.items():
            setattr(os, name, function)
        os.rename = self._rename

    _rename = staticmethod(os.rename)

    def _path(self, path: Any, folder: int | None = None) -> Path | None:
        if not isinstance(path, str | os.PathLike):
            return None
        found = Path(path)
        if folder is not None and not found.is_absolute():
            if folder not in self._paths:
                return None
            found = self._paths[folder] / found
        return found if self._recorder.covers(found.absolute()) else None

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        found = self._path(path, dir_fd)
        is_new = found is not None and not found.exists()
        if found is not None and is_new and flags & os.O_CREAT:
            self._recorder.before("create", found)
        descriptor: int = self._original["open"](path, flags, mode, dir_fd=dir_fd)
        self._paths.pop(descriptor, None)
        if found is not None and not flags & getattr(os, "O_TMPFILE", 0) & ~os.O_DIRECTORY:
            self._paths[descriptor] = found
            if found.is_file():
                self._recorder.opened(found, is_new=is_new)
        return descriptor

    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        if (found := self._path(path, dir_fd)) is None:
            self._original["mkdir"](path, mode, dir_fd=dir_fd)
            return
        self._recorder.before("create", found)
        self._original["mkdir"](path, mode, dir_fd=dir_fd)
        self._recorder.follow(Named(found, None))

    def replace(self, src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        source, target = self._path(src, src_dir_fd), self._path(dst, dst_dir_fd)
        if source is not None:
            self._recorder.looked_at(source)
            self._recorder.before("rename", source)
        self._original["replace"](src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if source is not None and target is not None:
            self._recorder.follow(Renamed(source, target))

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        if (found := self._path(path, dir_fd)) is None:
            self._original["unlink"](path, dir_fd=dir_fd)
            return
        self._recorder.before("delete", found)
        self._original["unlink"](path, dir_fd=dir_fd)
        self._recorder.unnamed(found)

    def fsync(self, fd: int) -> None:
        if fd in self._paths:
            self._recorder.before("sync", self._paths[fd])
        self._original["fsync"](fd)
        if (path := self._paths.get(fd)) is None:
            return
        if path.is_dir():
            self._recorder.folder_synced(path)
        elif (file := self._recorder.looked_at(path)) is not None:
            self._recorder.synced(file)

    def pwrite(self, fd: int, data: Any, offset: int) -> int:
        if fd in self._paths:
            self._recorder.before("write", self._paths[fd])
        done: int = self._original["pwrite"](fd, data, offset)
        self._look(fd)
        return done

    def write(self, fd: int, data: Any) -> int:
        if fd in self._paths:
            self._recorder.before("write", self._paths[fd])
        done: int = self._original["write"](fd, data)
        self._look(fd)
        return done

    def _look(self, fd: int) -> None:
        if (path := self._paths.get(fd)) is not None:
            with suppress(OSError):
                self._recorder.looked_at(path)


@contextmanager
def recorded_files(recorder: Recorder) -> Iterator[None]:
    """While the context is open, the functions of `os` record."""
    functions = _Functions(recorder)
    functions.install()
    try:
        yield
    finally:
        functions.remove()
