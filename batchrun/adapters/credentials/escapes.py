r"""Finds a text however it is escaped: `/` as `\/`, `\u002f`, `\x2f`, `\u{2f}`, `%2F` or `&#47;`, other characters too.

HTML has names for a few, such as `&quot;`.

JSON within JSON escapes the escapes (`\\u002f`, `\u005cu002f`), and so does a URL within a URL (`%252F`). Neither the
depth nor the kind of each level is known. Therefore backslashes are ignored, and escapes are resolved until none is
left. What is found in this way may in theory be another text, which is better than to miss a spelling.
"""

import re
from array import array
from typing import TypeAlias

MAX_LEVELS = 8
"""How deep escapes within escapes are followed. Each level takes a pass over the text."""

_HEX = rb"([2-7][0-9A-Fa-f])"
_ESCAPE = re.compile(
    rb"(?:u00|x|%)" + _HEX + rb"|u\{0*" + _HEX + rb"\}|&#[xX]0*" + _HEX + rb";?|&#0*(3[2-9]|[4-9]\d|1[01]\d|12[0-6]);?"
    rb"|&(quot|amp|lt|gt|apos);"
)
_NAMED = {b"quot": b'"', b"amp": b"&", b"lt": b"<", b"gt": b">", b"apos": b"'"}
_BEGINNINGS = (b"\\u00", b"\\x", b"\\u{", b"%", b"&#")
"""A text without any of these has no escapes of letters and digits."""
_BACKSLASHES = re.compile(rb"\\+")

Offsets: TypeAlias = "array[int]"


class Spellings:
    """All spellings of a text that is printable ASCII."""

    def __init__(self, text: str) -> None:
        self._text = text.encode()
        self._plain = _plain(self._text)
        # A text without the core has no spelling unless letters and digits are escaped in it.
        self._core = max(re.findall(r"[A-Za-z0-9]*", text), key=len).encode()

    def replace(self, text: bytes, replacement: bytes) -> bytes:
        """Replace each spelling in `text`, together with the backslashes before it, so that JSON stays valid."""
        if self._core not in text and not any(beginning in text for beginning in _BEGINNINGS):
            return text
        text = text.replace(self._text, replacement)
        if self._plain not in _plain(text):
            return text
        plain, starts, ends = _plain_with_offsets(text)
        pieces, kept, found, length = list[bytes](), 0, plain.find(self._plain), len(self._plain)
        while found >= 0:
            pieces += text[kept : starts[found]], replacement
            kept = ends[found + length - 1]
            found = plain.find(self._plain, found + length)
        return b"".join((*pieces, text[kept:]))


def _character(escape: re.Match[bytes]) -> bytes:
    if escape[5] is not None:
        return _NAMED[escape[5]]
    if escape[4] is not None:
        return bytes([int(escape[4])])
    return bytes.fromhex((escape[1] or escape[2] or escape[3]).decode())


def _plain(text: bytes) -> bytes:
    """The text without backslashes and with its escapes resolved."""
    text = text.replace(b"\\", b"")
    for _ in range(MAX_LEVELS):
        text, count = _ESCAPE.subn(_character, text)
        if not count:
            break
        text = text.replace(b"\\", b"")
    return text


def _plain_with_offsets(text: bytes) -> tuple[bytes, Offsets, Offsets]:
    """`_plain`, and where each of its bytes starts (with the backslashes before it) and ends in `text`."""
    starts, ends = array("Q", range(len(text))), array("Q", range(1, len(text) + 1))
    text, starts, ends = _without_backslashes(text, starts, ends)
    for _ in range(MAX_LEVELS):
        pieces, new_starts, new_ends, kept = list[bytes](), array("Q"), array("Q"), 0
        for escape in _ESCAPE.finditer(text):
            start, last = escape.start(), escape.end() - 1
            pieces += text[kept:start], _character(escape)
            new_starts += starts[kept : start + 1]
            new_ends += ends[kept:start] + ends[last : last + 1]
            kept = last + 1
        if not pieces:
            break
        text, starts, ends = b"".join((*pieces, text[kept:])), new_starts + starts[kept:], new_ends + ends[kept:]
        text, starts, ends = _without_backslashes(text, starts, ends)
    return text, starts, ends


def _without_backslashes(text: bytes, starts: Offsets, ends: Offsets) -> tuple[bytes, Offsets, Offsets]:
    """Remove the backslashes. The byte after some of them starts where they started."""
    new_starts, new_ends, kept, first = array("Q"), array("Q"), 0, 0
    for backslashes in _BACKSLASHES.finditer(text):
        new_starts += starts[first : backslashes.start()]
        new_ends += ends[kept : backslashes.start()]
        kept = first = backslashes.end()
        if kept < len(text):
            new_starts.append(starts[backslashes.start()])
            first += 1
    return text.replace(b"\\", b""), new_starts + starts[first:], new_ends + ends[kept:]
