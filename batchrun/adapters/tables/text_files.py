"""Text inputs: decompress them (by their first bytes), decode them, and split them into lines.

Files are read in large pieces, and `io.StringIO` splits each piece into lines, so no Python code runs per line.
"""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from batchrun.adapters.tables.input_file import InputFile
from batchrun.errors import InputError

MAX_LINE_CHARS = 64 << 20
"""Maximum characters of a line and of a cell."""

PIECE_BYTES = 256 << 10
"""Bytes to read at a time."""

ROWS_PER_OFFSET = 1 << 14
"""Rows between two byte offsets that `Lines` determines, approximately."""

BYTE_ORDER_MARK = "\ufeff"

_COMPRESSIONS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""Compressions by the first bytes of a file. No text starts with these bytes."""


_SEEKABLE = {"utf-8-sig": "utf-8"} | {name: name for name in ("ascii", "iso8859-1", "cp1252", "gb18030", "gbk", "big5")}
"""Encodings that can be decoded from any character on, and that encode text to the same bytes again. The values are the
codecs without a byte order mark."""


class LineTooLongError(ValueError):
    """A line of more than `MAX_LINE_CHARS` characters."""


class Lines:
    """The lines of a file with their line ends.

    `characters`: at least the characters of the lines read since it was last set to 0.
    """

    def __init__(
        self, file: InputFile, encoding: str, ends: str = "\r\n", *, piece: int = PIECE_BYTES, start: int | None = None
    ) -> None:
        """`ends`: characters that end a line: `\\n`, or `\\r\\n` for each of them and both. `start`: a byte offset."""
        self._file, self._encoding, self._ends, self._piece, self._start = file, encoding, ends, piece, start
        self._lines, self._unfinished, self._bytes_read, self._rows_since_offset = io.StringIO(), "", 0, 0
        self.characters = 0

    def offset_after(self, rows: int) -> int | None:
        """The byte offset of the next line in the decompressed file, after `rows` more rows were made from the lines.

        It is only computed once per `ROWS_PER_OFFSET` rows. Otherwise, or if the encoding is not seekable, it is None.
        """
        self._rows_since_offset += rows
        codec = _SEEKABLE.get(self._encoding)
        if codec is None or self._rows_since_offset < ROWS_PER_OFFSET:
            return None
        self._rows_since_offset = 0
        ahead = self._lines.getvalue()[self._lines.tell() :] + self._unfinished
        return self._bytes_read - len(ahead.encode(codec))

    def __iter__(self) -> Iterator[str]:
        return chain.from_iterable(self._pieces())

    def _pieces(self) -> Iterator[io.StringIO]:
        newline = "" if "\r" in self._ends else "\n"
        # A long line is put together once, where it ends. To do so for each piece would take very long.
        end, parts, size = 0, list[str](), 0
        for text, end in decoded(self._file, self._encoding, self._piece, self._start):
            may_end = "\r" in self._ends and any("\r" in part for part in parts[-1:])
            parts.append(text)
            size += len(text)
            if may_end or self._end_of_last_line(text):
                rest = "".join(parts)
                cut = self._end_of_last_line(rest)
                self._unfinished = rest[cut:]
                parts, size = [self._unfinished] if cut < len(rest) else [], len(rest) - cut
                if cut:
                    self._bytes_read = end
                    self.characters += cut
                    self._lines = io.StringIO(rest[:cut], newline=newline)
                    yield self._lines
            if size > MAX_LINE_CHARS:
                raise LineTooLongError(f"a line of over {MAX_LINE_CHARS >> 20} MB")
        self._bytes_read = end
        self.characters += size
        self._lines, self._unfinished = io.StringIO("".join(parts), newline=newline), ""
        yield self._lines

    def _end_of_last_line(self, text: str) -> int:
        cut = text.rfind("\n") + 1
        if not cut and "\r" in self._ends:
            cut = text.rfind("\r", 0, -1) + 1  # a \r at the end may be the first half of \r\n
        return cut


def decoded(
    source: InputFile, encoding: str, piece: int = PIECE_BYTES, start: int | None = None
) -> Iterator[tuple[str, int]]:
    """The text of a file in pieces of about `piece` bytes, each with the byte offset of its end.

    Byte order marks at the beginning of the file are left out, also several of them, in any encoding. Starts at the
    byte offset `start` if it is given. Raises UnicodeError, and what `raw` and `read` raise.
    """
    decoder = codecs.getincrementaldecoder(encoding if start is None else _SEEKABLE[encoding])()
    is_beginning = start is None
    with raw(source) as file:
        end = 0 if start is None else _skip(source.path, file, start)
        while chunk := read(source.path, file, piece):
            end += len(chunk)
            text = decoder.decode(chunk)
            if is_beginning:
                text = text.lstrip(BYTE_ORDER_MARK)
                is_beginning = not text
            if text:
                yield text, end - len(decoder.getstate()[0])
    if text := decoder.decode(b"", final=True):
        yield text, end


def _skip(path: Path, file: BinaryIO, size: int) -> int:
    """Skip `size` bytes and return how many were skipped. A compressed file must be decompressed up to there."""
    if file.seekable():
        return file.seek(size)
    left = size
    while left and (chunk := read(path, file, min(left, PIECE_BYTES))):
        left -= len(chunk)
    return size - left


@contextmanager
def raw(source: InputFile) -> Iterator[BinaryIO]:
    """Open a file for reading its decompressed bytes."""
    with source.reader(in_order=True) as file:
        head = file.read(4)
        file.seek(0)
        compression = next((name for magic, name in _COMPRESSIONS.items() if head.startswith(magic)), None)
        with file if compression is None else pa.input_stream(file, compression=compression) as stream:
            yield stream


def read(path: Path, file: BinaryIO, size: int) -> bytes:
    """Read up to `size` bytes. Raises `InputError` if compressed data is damaged or truncated."""
    try:
        return bytes(file.read(size))
    except (OSError, pa.ArrowException) as error:
        if getattr(error, "errno", None) is not None:
            raise  # an error of the disk, not of the contents
        raise InputError(f"{path}: its compressed data is damaged or cut off: {error}") from error


_NOT_FOR_FILES = {"idna", "punycode", "undefined"}
"""Encodings of names. Python lists them beside those of text."""


def codec(name: str) -> str:
    """The codec of this encoding; for UTF-8 the one that accepts a byte order mark. Raises `InputError`."""
    try:
        found = codecs.lookup(name)
        if found.name in _NOT_FOR_FILES:
            raise LookupError
        "".encode(name)  # raises for codecs that do not encode text
    except (LookupError, ValueError):
        raise InputError(
            f"--encoding {name}: no such encoding of text. Try utf-8, gb18030, latin-1 or utf-16"
        ) from None
    return "utf-8-sig" if found.name == "utf-8" else found.name
