"""The local files that rows refer to. Each is found below one folder, and read through one descriptor."""

import asyncio
import errno
import os
import threading
from collections import OrderedDict
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

from batchrun.adapters.files.kinds import LINK_TO_NOWHERE, special_kind
from batchrun.errors import StorageError
from batchrun.ports import Clock, UnusableFileError

CHUNK = 1 << 20
"""Bytes to read at a time."""

MAX_DIGESTS = 10_000
"""Digests to remember, so that a file that many rows share is read once."""

SETTLED_MS = 2000
"""Milliseconds since the last change of a file after which its times show a further change. File systems record times
in steps."""

_FAULTS_OF_THE_MACHINE = {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.ESTALE}
_FOLDER_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class LocalFile:
    """An open file: `ports.OpenFile` once `digest` is set."""

    def __init__(self, descriptor: int, name: str) -> None:
        self._descriptor = descriptor
        found = os.fstat(descriptor)
        self.name = name
        self.size = found.st_size
        self.mode = found.st_mode
        self.version = (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        """Differs if the content does, once the last change has settled."""
        self.changed_ms = max(found.st_mtime_ns, found.st_ctime_ns) // 1_000_000
        self.digest = ""

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)

    def read(self, offset: int) -> bytes:
        """The next bytes from `offset` on; none at the end. The file may have grown: that is not read."""
        try:
            return os.pread(self._descriptor, min(CHUNK, self.size - offset), offset)
        except OSError as error:
            raise _failure(self.name, "cannot be read", error) from None

    def computed_digest(self) -> str:
        """The SHA-256 of the content."""
        digest, offset = sha256(), 0
        while chunk := self.read(offset):
            digest.update(chunk)
            offset += len(chunk)
        if offset < self.size:
            raise _changed()
        return digest.hexdigest()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The content. Its last chunk is held back until the whole is known to be that of `digest`."""
        loop, digest, offset = asyncio.get_running_loop(), sha256(), 0

        def next_chunk() -> bytes:
            chunk = self.read(offset)
            digest.update(chunk)
            return chunk

        while True:
            chunk = await loop.run_in_executor(None, next_chunk)
            offset += len(chunk)
            if offset == self.size:
                if digest.hexdigest() != self.digest:
                    raise _changed()
                yield chunk
                return
            if not chunk:
                raise _changed()
            yield chunk


def _failure(path: str, what: str, error: OSError) -> UnusableFileError | StorageError:
    """The error to raise: the file is to blame, or the machine, which would fail alike with the next file."""
    reason = f"{what}: {error.strerror or error}"
    return StorageError(f"{path} {reason}") if error.errno in _FAULTS_OF_THE_MACHINE else UnusableFileError(reason)


def _changed() -> UnusableFileError:
    return UnusableFileError("changed while it was read")


class LocalFiles:
    """`ports.Files` below the folder `root`. Files over `max_bytes` are refused. Any thread may use it.

    Its methods raise `UnusableFileError` for a file, and `StorageError` if the folder or the machine fails.
    """

    def __init__(self, root: Path, max_bytes: int, clock: Clock) -> None:
        self._root = root.resolve()
        self._max_bytes = max_bytes
        self._clock = clock
        self._digests = OrderedDict[tuple[int, ...], str]()
        self._lock = threading.Lock()

    async def open(self, path: str) -> LocalFile:
        """Open a file and read it for its digest."""
        opening = asyncio.get_running_loop().run_in_executor(None, self._open_with_digest, path)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unused)
            raise

    def check(self, path: str) -> None:
        """Open the file without reading it."""
        self._open(path).close()

    def digest(self, path: str) -> str:
        """The SHA-256 of the file's content, in hexadecimal."""
        file = self._open_with_digest(path)
        file.close()
        return file.digest

    def _open_with_digest(self, path: str) -> LocalFile:
        file = self._open(path)
        try:
            file.digest = self._digest(file)
        except BaseException:
            file.close()
            raise
        return file

    def _digest(self, file: LocalFile) -> str:
        with self._lock:
            if (known := self._digests.get(file.version)) is not None:
                self._digests.move_to_end(file.version)
                return known
        digest = file.computed_digest()
        if self._clock.now() - file.changed_ms >= SETTLED_MS:
            with self._lock:
                self._digests[file.version] = digest
                if len(self._digests) > MAX_DIGESTS:
                    self._digests.popitem(last=False)
        return digest

    def _open(self, path: str) -> LocalFile:
        if not path:
            raise UnusableFileError("the path is empty; with --type COLUMN=str an empty cell is null")
        try:
            resolved = (self._root / path).resolve()
            if not resolved.is_relative_to(self._root):
                raise UnusableFileError(f"leads out of {self._root} (--file-root)")
            _refuse_special(resolved.stat(follow_symlinks=False).st_mode)
            file = LocalFile(_open_below(self._root, resolved.relative_to(self._root)), Path(path).name)
        except FileNotFoundError:
            if not self._root.is_dir():
                raise StorageError(f"{self._root}: the folder of the files is not there any more") from None
            raise UnusableFileError(f"there is no such file in {self._root}") from None
        except RuntimeError:  # a loop of links, in Python before 3.13
            raise UnusableFileError(f"is {LINK_TO_NOWHERE}, not a regular file") from None
        except ValueError as error:  # a null character
            raise UnusableFileError(f"cannot be opened: {error}") from None
        except OSError as error:
            raise _failure(path, "cannot be opened", error) from None
        try:
            _refuse_special(file.mode)
            if file.size > self._max_bytes:
                raise UnusableFileError(f"has {file.size:,} bytes; the service takes at most {self._max_bytes:,}")
        except UnusableFileError:
            file.close()
            raise
        return file


def _refuse_special(mode: int) -> None:
    if (kind := special_kind(mode)) is not None:
        raise UnusableFileError(f"is {kind}, not a regular file")


def _open_below(root: Path, relative: Path) -> int:
    """Open a path without links. A link that has replaced a part of it since is not followed."""
    *folders, name = relative.parts
    folder = os.open(root, _FOLDER_FLAGS)
    try:
        for part in folders:
            inner = os.open(part, _FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(name, _FILE_FLAGS, dir_fd=folder)
    finally:
        os.close(folder)


def _close_unused(opening: "asyncio.Future[LocalFile]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
