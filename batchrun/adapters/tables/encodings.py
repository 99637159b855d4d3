"""Where a text file cannot be decoded, and which encoding would do."""

import codecs
from pathlib import Path

from batchrun.adapters.tables.text import raw, read

CANDIDATES = ("utf-16", "utf-8", "gb18030", "latin-1")
"""What is tried, the likeliest first: UTF-16 only where the file has its mark; latin-1 can read anything."""

_CHUNK = 1 << 20


def explain_undecodable(path: Path, encoding: str, error: UnicodeError) -> str:
    """One line: where the file is not in `encoding`, and with which `--encoding` it could be read. Reads it again."""
    found = _first_undecodable(path, encoding)
    place = (
        f"{path}: {error}" if found is None else f"{path}: line {found[0]}: byte 0x{found[1]:02x} at offset {found[2]}"
    )
    readers = [name for name in CANDIDATES if name != _plain(encoding) and _reads(path, name)]
    return f"{place} is not {_plain(encoding)}. Without error it can be read with --encoding {' or '.join(readers)}"


def _plain(encoding: str) -> str:
    return encoding.removesuffix("-sig")


def _reads(path: Path, encoding: str) -> bool:
    if encoding == "utf-16":  # without its mark nearly every file of even length could be UTF-16
        with raw(path) as file:
            if read(path, file, 2) not in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                return False
    return _first_undecodable(path, encoding) is None


def _first_undecodable(path: Path, encoding: str) -> tuple[int, int, int] | None:
    """Line (from 1), byte and offset (from 0) of the first byte that is not in `encoding`; None where all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    line, offset = 1, 0  # of the bytes that the decoder has not turned into characters yet
    with raw(path) as file:
        while True:
            chunk = read(path, file, _CHUNK)
            held = len(decoder.getstate()[0])
            try:
                text = decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, "replace")
                return line + before.count("\n"), error.object[error.start], offset - held + error.start
            except UnicodeError:  # some decoders say no more than that
                return None
            if not chunk:
                return None
            line += text.count("\n")
            offset += len(chunk)
