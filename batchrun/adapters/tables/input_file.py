"""An input file that stays open while the job runs.

A file that was deleted, or replaced by another one, can then be read to its end. Of a file that was written to, exactly
the bytes are read that it had when it was opened; a row that was appended since is not seen.
"""

import hashlib
import io
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from batchrun.adapters.files.kinds import special_kind
from batchrun.domain.fingerprint import FileStamp
from batchrun.errors import InputError, UnreadableInputError

BLOCK_BYTES = 256 << 10
"""Bytes that are read and compared at a time."""

PAUSE, PAUSES = 0.1, 10
"""A file that does not have its contents is read again every 0.1 s, because it may be in the middle of being written
anew, until it has not changed for 10 times."""

_BLOCKS_KEPT = 32
"""Blocks that a reader keeps in memory for a file that is not read in order, as the columns of a Parquet file are."""

_Digests = dict[int, bytes]


class InputFile:
    """`stamp`: that of the file when it was opened. `verify`: checks whether the rows are still those of the job.

    `keep_open`: false for one of very many files; it is then opened at each use, and may not change in any way.
    """

    def __init__(self, path: Path, *, keep_open: bool = True) -> None:
        self.path = path
        self.verify: Callable[[], bool] | None = None
        self._digests: _Digests = {}
        self._unverified: _Digests | None = None
        self._lock = threading.RLock()
        descriptor = _open(path)
        self.stamp = _stamp(descriptor)
        self._verified = self.stamp
        self._descriptor: int | None = descriptor if keep_open else None
        if keep_open:
            weakref.finalize(self, os.close, descriptor)
        else:
            os.close(descriptor)

    def reader(self, *, in_order: bool = False) -> io.BufferedReader:
        """A new reader of the contents, from their start. `in_order`: it will hardly be asked to go back."""
        return io.BufferedReader(_Reader(self, 1 if in_order else _BLOCKS_KEPT))

    @contextmanager
    def opened(self) -> Iterator[int]:
        """A descriptor of the file."""
        if self._descriptor is not None:
            yield self._descriptor
            return
        descriptor = _open(self.path)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def block(self, index: int) -> bytes:
        """A block of the contents. Raises `UnreadableInputError` if the file does not have them any more."""
        before: FileStamp | None = None
        for pause in self._pauses():
            with self.opened() as descriptor:
                content, now = self._read(descriptor, index), _stamp(descriptor)
            if now == self.stamp:
                self._digests.setdefault(index, _digest(content))
                return content
            if self._descriptor is not None and self._is_right(index, content, settled=now == before):
                return content
            before = now
            pause(now)
        raise AssertionError  # pragma: no cover - the last pause raises

    def refuse_change(self) -> None:
        """Raise `UnreadableInputError` if the file was written to, and its rows are no longer those of the job."""
        before: FileStamp | None = None
        for pause in self._pauses():
            with self.opened() as descriptor:
                now = _stamp(descriptor)
            with self._lock:
                if now in {self.stamp, self._verified} or self._unverified is not None:
                    return
                if self._descriptor is not None and now == before and now.size >= self.stamp.size:
                    self._verify()
                    self._verified = now
                    return
            before = now
            pause(now)

    def _pauses(self) -> Iterator[Callable[[FileStamp], None]]:
        """Endless attempts. The function between two of them waits, or raises if the file no longer changes."""
        quiet, last = 0, self.stamp

        def pause(now: FileStamp) -> None:
            nonlocal quiet, last
            quiet, last = (quiet + 1 if now == last else 0), now
            if quiet >= PAUSES or self._descriptor is None:
                raise self._changed()
            threading.Event().wait(PAUSE)

        while True:
            yield pause

    def _read(self, descriptor: int, index: int) -> bytes:
        start = index * BLOCK_BYTES
        left, parts = min(BLOCK_BYTES, self.stamp.size - start), list[bytes]()
        while left > 0 and (part := os.pread(descriptor, left, start)):
            parts.append(part)
            start, left = start + len(part), left - len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _is_right(self, index: int, content: bytes, *, settled: bool) -> bool:
        """Whether this is the block, in a file that was written to. `settled`: it has not changed for a moment."""
        digest = _digest(content)
        if index not in self._digests and settled:
            with self._lock:
                if self._unverified is not None:  # this call is a part of the verification
                    self._unverified[index] = digest
                    return True
                if index not in self._digests:
                    self._verify()
        return self._digests.get(index) == digest

    def _verify(self) -> None:
        """Read all rows again, and compare them with those of the job. Raises `UnreadableInputError` if they differ."""
        with self._lock:
            self._unverified = {}
            try:
                if self.verify is None or not self.verify():
                    raise self._changed()
                self._digests = self._unverified | self._digests
            finally:
                self._unverified = None

    def _changed(self) -> UnreadableInputError:
        return UnreadableInputError(
            f"{self.path}: the input changed while it was in use, and no longer begins with the same rows.\n"
            "Put it back as it was and run the same command again."
        )


class _Reader(io.RawIOBase):
    """Reads blocks of a file. Several readers of one file do not disturb each other."""

    def __init__(self, file: InputFile, blocks_kept: int) -> None:
        self._file = file
        self._blocks_kept = blocks_kept
        self._position = 0
        self._blocks: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        starts = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.stamp.size}
        self._position = max(0, starts[whence] + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: "memoryview[int]") -> int:  # type: ignore[override]
        if self._position >= self._file.stamp.size:
            return 0
        index, start = divmod(self._position, BLOCK_BYTES)
        part = self._block(index)[start : start + len(buffer)]
        buffer[: len(part)] = part
        self._position += len(part)
        return len(part)

    def _block(self, index: int) -> bytes:
        block = self._blocks.pop(index, None)
        if block is None:
            block = self._file.block(index)
            if len(self._blocks) >= self._blocks_kept:
                del self._blocks[next(iter(self._blocks))]
        self._blocks[index] = block
        return block


def _open(path: Path) -> int:
    """Open a regular file. That of a FIFO would otherwise wait for one who writes to it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    if (kind := special_kind(os.fstat(descriptor).st_mode)) is not None:
        os.close(descriptor)
        raise InputError(f"{path}: is {kind}, not a regular file; the input is read more than once, so save it first")
    return descriptor


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _stamp(descriptor: int) -> FileStamp:
    found = os.fstat(descriptor)
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)
