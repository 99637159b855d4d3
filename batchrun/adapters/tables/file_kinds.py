"""Recognises files that are no table of the expected format by their first bytes, whatever their names say."""

import codecs
import os
import re
from pathlib import Path
from typing import NamedTuple

from batchrun.adapters.tables.input_file import InputFile
from batchrun.adapters.tables.text_files import codec, raw, read
from batchrun.domain.input_formats import COMPRESSED, Format
from batchrun.errors import InputError

HEAD_BYTES = 4096
"""Bytes at the beginning of a file that are looked at."""

MAX_CONTROL_SHARE = 0.02
"""The largest share of control characters in text. In compressed or encrypted data it is about 8 %."""


class Kind(NamedTuple):
    """A kind of files: how they begin, what such a file is, and what to do. FILE in the advice stands for its name."""

    beginning: re.Pattern[bytes]
    what: str
    advice: str


def _kind(beginning: bytes, what: str, advice: str) -> Kind:
    return Kind(re.compile(beginning, re.DOTALL | re.IGNORECASE), what, advice)


def _packed(beginning: bytes, what: str, command: str = "") -> Kind:
    with_what = f": {command} FILE" if command else ""
    return _kind(beginning, what, f"Unpack it first{with_what} (only text in {' or '.join(COMPRESSED)} is read packed)")


_CONVERT = "Save its rows as CSV, JSONL or Parquet first"
_NO_ROWS = "Name a file of rows"

KINDS = (
    _packed(rb"\xfd7zXZ\x00", "is compressed with xz", "unxz"),
    _packed(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)", "is compressed with bzip2", "bunzip2"),
    _packed(rb"\x1f\x8b", "is compressed with gzip", "gunzip"),
    _packed(rb"\x28\xb5\x2f\xfd", "is compressed with zstd", "unzstd"),
    _packed(rb"\x04\x22\x4d\x18", "is compressed with lz4", "unlz4"),
    _packed(rb"\x1f[\x9d\xa0]", "is compressed with compress", "uncompress"),
    _packed(rb"LZIP\x01", "is compressed with lzip", "lunzip"),
    _packed(rb"\xff\x06\x00\x00sNaPpY", "is compressed with snappy"),
    _packed(rb"7z\xbc\xaf\x27\x1c", "is a 7z archive"),
    _packed(rb"Rar!\x1a\x07", "is a RAR archive"),
    _kind(
        rb"PK\x03\x04.{0,4000}?(\[Content_Types\]\.xml|_rels/|xl/|opendocument)",
        "is a spreadsheet or another Office document",
        "Save it as CSV",
    ),
    _packed(rb"PK(\x03\x04|\x05\x06|\x07\x08)", "is a zip archive", "unzip"),
    _packed(rb".{257}ustar", "is a tar archive", "tar -xf"),
    _kind(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Office document, perhaps an old spreadsheet", "Save it as CSV"),
    _kind(rb"%PDF-\d", "is a PDF document", _CONVERT),
    _kind(rb"%!PS-", "is a PostScript document", _CONVERT),
    _kind(rb"\{\\rtf\d", "is an RTF document", _CONVERT),
    _kind(rb"\x89PNG\r\n\x1a\n", "is a PNG image", _NO_ROWS),
    _kind(rb"\xff\xd8\xff", "is a JPEG image", _NO_ROWS),
    _kind(rb"GIF8[79]a", "is a GIF image", _NO_ROWS),
    _kind(rb"\x7fELF", "is a program", _NO_ROWS),
    _kind(
        rb"SQLite format 3\x00",
        "is an SQLite database",
        "Write a table of it as CSV first: sqlite3 -csv -header FILE 'SELECT …'",
    ),
    _kind(rb"PAR[1E][^ -~\s]", "is a Parquet file", "Add --format parquet"),
    _kind(rb"ARROW1\x00", "is an Arrow file", "Add --format arrow"),
    _kind(rb"FEA1[^ -~\s]", "is a Feather file of version 1", "Write it again as version 2"),
    _kind(rb"ORC[^ -~\s]", "is an ORC file", "Write it as Parquet first"),
    _kind(rb"Obj\x01", "is an Avro file", "Write it as Parquet first"),
    _kind(rb"\x89HDF\r\n\x1a\n", "is an HDF5 file", "Write it as Parquet first"),
    _kind(rb"\x93NUMPY", "is a NumPy array", "Write it as Parquet first"),
    _kind(rb"\x80[\x02-\x05][^ -~\s]", "is a Python pickle", "Write it as Parquet first"),
)
"""Kinds of files that are not text."""

TEXT_KINDS = (
    _kind(
        rb"version https?://(git-lfs\.github\.com|hawser\.github\.com)/spec",
        "is a Git LFS pointer, not the file itself",
        "Fetch the file first: git lfs pull",
    ),
    _kind(
        rb"[./]*(git/)?annex/objects/\S+\s*$",
        "is a git-annex pointer, not the file itself",
        "Fetch the file first: git annex get FILE",
    ),
    _kind(
        rb"((<!--.*?-->|<\?xml[^>]*>)\s*)*<(!doctype\s+html|html|head|body|script|meta)\b",
        "is an HTML page, perhaps of a login or an error",
        "Download the file itself",
    ),
    _kind(rb"<\?xml\b", "is XML", _CONVERT),
)
"""Kinds of text. It is compared without marks and blanks at its beginning, and without the NUL bytes of UTF-16."""

_JSON = _kind(rb"\{\s*\"|\[\s*[\[{]|[\[{]\s*\n", "is JSON", "If it has one object a line, add --format jsonl")
"""Kinds of text that no delimited text begins like."""

_OWN_BEGINNINGS = {
    "parquet": (re.compile(rb"PAR[1E]"), "is not a Parquet file but text"),
    "arrow": (re.compile(rb"ARROW1|FEA1|\xff\xff\xff\xff"), "is not an Arrow file but text"),
}
"""How files that are not text begin, and what one that is text is not."""

_MARKS = re.compile(rb"(\xef\xbb\xbf|\xff\xfe|\xfe\xff|[\s\x00])*")
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x19]")
_NOT_SHOWN = re.compile(r"[\x00-\x08\x0e-\x19\ud800-\udfff\ufffd-\uffff]")


def refuse_other_kind(path: Path, expected: Format, encoding: str) -> None:
    """Raise `InputError`, which says what the file is, if it is certainly no table of the expected format.

    Text that is compressed is looked into. Raises `InputError` also if its compressed data is damaged.
    """
    if expected.is_text:
        with raw(InputFile(path)) as file:
            head = read(path, file, HEAD_BYTES)
    else:
        with InputFile(path, keep_open=False).opened() as descriptor:
            head = os.pread(descriptor, HEAD_BYTES, 0)
    if (found := _recognised(head, expected, encoding)) is not None:
        what, advice = found
        raise InputError(f"{path}: {what}. {advice.replace('FILE', str(path))}")


def _recognised(head: bytes, expected: Format, encoding: str) -> tuple[str, str] | None:
    """What the file is, and what to do; None if it may be a table of the expected format."""
    own, is_text = _OWN_BEGINNINGS.get(expected.name, (None, ""))
    if own is not None and own.match(head):
        return None
    text = _MARKS.sub(b"", head, count=1).replace(b"\0", b"")
    text_kinds = TEXT_KINDS if expected.delimiter is None else (*TEXT_KINDS, _JSON)
    for kinds, beginning in ((KINDS, head), (text_kinds, text)):
        for kind in kinds:
            if kind.beginning.match(beginning):
                return kind.what, kind.advice
    if expected.is_text and _is_binary(head, encoding):
        return "is not text: it holds binary data", "Name a file of rows, or its format with --format"
    if own is not None and text and _is_utf_8(head):
        return is_text, "If its rows are CSV, add --format csv; if JSON, --format jsonl"
    return None


def _is_binary(head: bytes, encoding: str) -> bool:
    """Whether these bytes are not text, neither in this encoding nor in UTF-16 or UTF-32."""
    encodings = (codec(encoding), *_WIDE)
    return all(
        _share(_CONTROL if name not in _WIDE else _NOT_SHOWN, head, name) > MAX_CONTROL_SHARE for name in encodings
    )


def _share(pattern: re.Pattern[str], head: bytes, encoding: str) -> float:
    """The share of these characters in the decoded bytes. A single one does not count."""
    text = head.decode(encoding, "replace")
    return max(0, len(pattern.findall(text)) - 1) / max(1, len(text))


def _is_utf_8(head: bytes) -> bool:
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return not _CONTROL.search(text)
