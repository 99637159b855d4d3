"""Find where a text file cannot be decoded, and which encoding would work."""

import codecs
import re

from batchrun.adapters.tables.input_file import InputFile
from batchrun.adapters.tables.text_files import raw, read

CANDIDATES = ("utf-32", "utf-16", "utf-8", "gb18030", "latin-1")
"""Encodings to try, the likeliest first. UTF-16 and UTF-32 need a byte order mark. See `_has_pairs` for the others."""

_MARKS = {
    "utf-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE),
    "utf-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE),
}
_CHUNK = 1 << 20

_SAMPLE = 10_000
"""Bytes that are not ASCII from which the kind of an encoding is told."""


def explain_undecodable(file: InputFile, encoding: str, error: UnicodeError) -> str:
    """A message: where the file is not valid in `encoding`, and which `--encoding` would work. Reads the file again."""
    name = _without_mark(encoding)
    found, path = _first_undecodable(file, encoding), file.path
    if found is None:  # the decoder did not report a position
        place = f"{path}: {error}; it"
    else:
        place = f"{path}: line {found[0]}: byte 0x{found[1]:02x} at offset {found[2]}"
    unlikely = "latin-1" if _has_pairs(file) else "gb18030"
    for other in CANDIDATES:
        if other not in (name, unlikely) and _reads(file, other):
            return f"{place} is not {name}. It can be read as {other}: add --encoding {other}"
    return f"{place} is not {name}. Repair the file there, or name its encoding with --encoding"


def _without_mark(encoding: str) -> str:
    return encoding.removesuffix("-sig")


def _reads(source: InputFile, encoding: str) -> bool:
    if encoding in _MARKS:  # without a mark nearly every file of even length is valid UTF-16
        with raw(source) as file:
            if not read(source.path, file, 4).startswith(_MARKS[encoding]):
                return False
    return _first_undecodable(source, encoding) is None


def _has_pairs(source: InputFile) -> bool:
    """Whether most bytes that are not ASCII have another one beside them, as in Chinese and unlike in Western texts."""
    total = alone = 0
    with raw(source) as file:
        while total < _SAMPLE and (chunk := read(source.path, file, _CHUNK)):
            lengths = [len(run) for run in re.findall(rb"[\x80-\xff]+", chunk)]
            total += sum(lengths)
            alone += lengths.count(1)
    return 2 * alone < total


def _first_undecodable(source: InputFile, encoding: str) -> tuple[int, int, int] | None:
    """Line (from 1), value and offset (from 0) of the first byte that is not valid in `encoding`, or None."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, offset = 1, 0  # up to the last decoded chunk
    with raw(source) as file:
        while True:
            chunk = read(source.path, file, _CHUNK)
            held = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, "replace")
                return line + before.count("\n"), error.object[error.start], offset - held + error.start
            except UnicodeError:  # some decoders do not report the position
                return None
            if not chunk:
                return None
            line += text.count("\n")
            offset += len(chunk)
