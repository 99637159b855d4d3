"""Text inputs: decompressed by what they begin with, decoded, and cut into lines a piece at a time.

The pieces are large and the lines come from the standard library's own string buffers, so that a line costs no step
of Python.
"""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from batchrun.errors import InputError

LARGEST = 64 << 20
"""Most characters of a line, and of a cell; three times what the service takes for a whole request."""

PIECE = 1 << 20
"""Bytes that are read at a time."""

OFFSET_ROWS = 1 << 14
"""About how many rows there are from one place that is found to the next."""

_MAGIC = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""No text begins so: what a file is shows in its first bytes, whatever its name says."""


_PLAIN = {"utf-8-sig": "utf-8"} | {name: name for name in ("ascii", "iso8859-1", "cp1252", "gb18030", "gbk", "big5")}
"""The encodings that can be read from any character on, and give back the bytes that they were read from."""


class LineTooLongError(ValueError):
    """A line of more than `LARGEST` characters."""


class Lines:
    """The lines of a file with their ends. `characters`: how many went by since it was last set to 0, or some more."""

    def __init__(
        self, path: Path, encoding: str, ends: str = "\r\n", *, piece: int = PIECE, start: int | None = None
    ) -> None:
        """`ends`: the characters that end a line, `\\n` alone or `\\r\\n` for either and both; `start`: a `place`."""
        self._path, self._encoding, self._ends, self._piece, self._start = path, encoding, ends, piece, start
        self._lines, self._rest, self._read, self._unplaced = io.StringIO(), "", 0, 0
        self.characters = 0

    def pass_by(self, rows: int) -> int | None:
        """The place, how many bytes stand before the next line (decompressed), when `rows` more were made of the lines.

        It is looked for only now and then. None otherwise, and where the encoding does not tell.
        """
        self._unplaced += rows
        codec = _PLAIN.get(self._encoding)
        if codec is None or self._unplaced < OFFSET_ROWS:
            return None
        self._unplaced = 0
        ahead = self._lines.getvalue()[self._lines.tell() :] + self._rest
        return self._read - len(ahead.encode(codec))

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._pieces())

    def _pieces(self) -> Iterator[io.StringIO]:
        newline = "" if "\r" in self._ends else "\n"
        for text, end in decoded(self._path, self._encoding, self._piece, self._start):
            self._read, rest = end, self._rest + text
            cut = self._end_of_last_line(rest)
            self._rest = rest[cut:]
            if cut:
                self.characters += cut
                self._lines = io.StringIO(rest[:cut], newline=newline)
                yield self._lines
            elif len(rest) > LARGEST:
                raise LineTooLongError(f"a line of over {LARGEST >> 20} MB")
        self.characters += len(self._rest)
        self._lines, self._rest = io.StringIO(self._rest, newline=newline), ""
        yield self._lines

    def _end_of_last_line(self, text: str) -> int:
        cut = text.rfind("\n") + 1
        if not cut and "\r" in self._ends:
            cut = text.rfind("\r", 0, -1) + 1  # one at the very end may be the first half of \r\n
        return cut


def decoded(path: Path, encoding: str, piece: int = PIECE, start: int | None = None) -> Iterator[tuple[str, int]]:
    """The text of a file, from about `piece` bytes at a time, and how many bytes it ends behind.

    From the place `start` on, if it is given. Raises UnicodeError, and what `raw` raises.
    """
    decoder = codecs.getincrementaldecoder(encoding if start is None else _PLAIN[encoding])()
    with raw(path) as file:
        end = 0 if start is None else _skip(path, file, start)
        while chunk := read(path, file, piece):
            end += len(chunk)
            if text := decoder.decode(chunk):
                yield text, end - len(decoder.getstate()[0])
    if text := decoder.decode(b"", final=True):
        yield text, end


def _skip(path: Path, file: BinaryIO, size: int) -> int:
    """Leave out so many bytes. Compressed ones are decompressed, which is a small part of what parsing them takes."""
    if file.seekable():
        return file.seek(size)
    left = size
    while left and (chunk := read(path, file, min(left, PIECE))):
        left -= len(chunk)
    return size - left


@contextmanager
def raw(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, decompressed."""
    with path.open("rb", buffering=0) as file:
        head = file.read(4)
    compression = next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)
    with path.open("rb") if compression is None else pa.input_stream(str(path), compression=compression) as stream:
        yield stream


def read(path: Path, file: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes. Raises `InputError` where compressed data is damaged or cut off."""
    try:
        return bytes(file.read(size))
    except (OSError, pa.ArrowException) as error:
        if getattr(error, "errno", None) is not None:
            raise  # the disk's fault and not that of the contents
        raise InputError(f"{path}: its compressed data is damaged or cut off: {error}") from error


def codec(name: str) -> str:
    """The encoding of this name, with its byte order mark where it may have one; raises `InputError`."""
    try:
        found = codecs.lookup(name)
        "".encode(name)  # refuses codecs that are not of text
    except (LookupError, ValueError):
        raise InputError(
            f"--encoding {name}: no such encoding of text. Try utf-8, gb18030, latin-1 or utf-16"
        ) from None
    return "utf-8-sig" if found.name == "utf-8" else found.name
