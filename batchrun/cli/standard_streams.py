"""Standard input, output and error of the command, whatever they are: closed, full, or unable to take a character.

Whoever has closed standard output, or let it run full, learns of it only if something had to be written there. What
cannot be written to standard error is dropped, because no other place is left to report it.
"""

import codecs
import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from batchrun.errors import StorageError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_PLAIN = {"…": "...", "·": "-", "–": "-", "—": "-", "’": "'", "‘": "'", "“": '"', "”": '"', "→": "->", "×": "x"}
"""What stands for characters of our own messages that the encoding of a stream does not have."""

_ESCAPE = "batchrun.escape"


class _Output(io.FileIO):
    """The file of a stream. A reader that has gone is no error. After an error the rest is dropped.

    `name`: the name of the stream, for the error; None if errors are dropped too.
    """

    def __init__(self, descriptor: int, title: str | None) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._title = title
        self._is_broken = False

    def write(self, data: "ReadableBuffer", /) -> int:
        """Write all of the data, or some of it. Raises `StorageError` once."""
        size = len(memoryview(data).cast("B"))
        while not self._is_broken:
            try:
                written: int | None = super().write(data)
            except OSError as error:
                self._is_broken = self._title is not None or error.errno == errno.EPIPE
                if self._title is not None and error.errno != errno.EPIPE:
                    raise StorageError(f"{self._title}: cannot be written: {error.strerror}") from None
                return size
            if written is not None:
                return written
            select.select([], [self], [])  # it is non-blocking, and nobody reads for the moment
        return size


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    """Encode what an encoding does not have: bytes of a file name as they are, other characters by an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    encoded = b""
    for character in error.object[error.start : error.end]:
        if "\udc80" <= character <= "\udcff":
            encoded += character.encode("utf-8", "surrogateescape")
        else:
            encoded += _PLAIN.get(character, character).encode("ascii", "backslashreplace")
    return encoded, error.end


def prepare_streams() -> None:
    """Replace `sys.stdout` and `sys.stderr` by streams that keep to the rules above, and open those that are closed.

    Otherwise the next file that is opened would take the place of a closed stream, and would be written by mistake.
    """
    for descriptor, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):  # standard output cannot be written
        _open_if_closed(descriptor, mode)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - it stays open
    codecs.register_error(_ESCAPE, _escape)
    if sys.stdout is sys.__stdout__:  # a program that runs the command within itself may have redirected it
        sys.stdout = _text(1, "standard output", sys.stdout)
    if sys.stderr is sys.__stderr__:
        sys.stderr = _text(2, None, sys.stderr)


def _open_if_closed(descriptor: int, mode: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, mode)
        if opened != descriptor:
            os.dup2(opened, descriptor)
            os.close(opened)


def _text(descriptor: int, title: str | None, replaced: TextIO | None) -> io.TextIOWrapper:
    if replaced is not None:
        replaced.flush()
    return io.TextIOWrapper(
        io.BufferedWriter(_Output(descriptor, title)),
        encoding="utf-8" if replaced is None else replaced.encoding,
        errors=_ESCAPE,
        line_buffering=title is None or os.isatty(descriptor),
    )
