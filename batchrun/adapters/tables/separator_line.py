"""The line `sep=;` at the beginning of a file, by which Excel is told the delimiter. It is no row."""

import re

from batchrun.adapters.tables.input_file import InputFile
from batchrun.adapters.tables.text_files import Lines, LineTooLongError

_SEPARATOR = re.compile(r"(?P<quote>\"?)sep=(?P<delimiter>\\t|[^\"\0\r\n])(?P=quote)[\r\n]*", re.IGNORECASE)
_FIRST_BYTES = 4096


def separator_of(file: InputFile, encoding: str) -> str | None:
    """The delimiter that the first line of a file names; None if it names none."""
    try:
        first = next(iter(Lines(file, encoding, piece=_FIRST_BYTES)), "")
    except (UnicodeError, LineTooLongError):
        return None  # the whole file is read later, and the error is explained then
    match = _SEPARATOR.fullmatch(first)
    if match is None:
        return None
    return "\t" if match["delimiter"] == "\\t" else match["delimiter"]
