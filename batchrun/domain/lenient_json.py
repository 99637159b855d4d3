"""A second reading of answers that are not strict JSON: a result that was paid for is kept if it can be read at all.

Accepted besides JSON: byte order marks, UTF-16 and UTF-32 with such a mark, zero bytes at the end, bytes that are not
UTF-8, control characters in strings, halves of surrogate pairs, `NaN` and `Infinity`, a comma before the end of a list
or an object, and `MAX_DEPTH` levels. Text that breaks off, or in which brackets do not match, is not read.

An answer may have tens of megabytes, and the event loop waits until it is read. So everything here takes linear time,
and what takes a step of Python for each bracket is bounded.
"""

import json
import re
from collections.abc import Callable
from typing import TypeVar

from batchrun.nesting import is_too_deep

T = TypeVar("T")

MAX_DEPTH = 100_000
"""Levels of nesting that are read."""

MAX_BRACKETS = 400_000
"""Brackets that are counted one by one in a reading. Only text nested too deeply for the decoder needs that."""

_SPACE = " \t\r\n"
_MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
# Possessive quantifiers: otherwise a long string would take memory for each of its characters.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NO_CONTROL = re.compile(r'(?:[^"]++|"(?:[^"\\\x00-\x1f]++|\\[^\x00-\x1f])*+")*+', re.DOTALL)
_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)
_ESCAPES = {code: f"\\u{code:04x}" for code in range(0x20)}
"""The escapes of control characters."""
_UP_TO_LAST_COMMA = re.compile(r'((?:[^",]++|"(?:[^"\\]++|\\.)*+"|,(?!\s*+[}\]]))*+),(?=\s*+[}\]])', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}

_read_value = json.JSONDecoder(
    strict=False, parse_int=lambda _: 0, parse_float=lambda _: 0, parse_constant=lambda _: 0
).raw_decode


def plain(body: bytes) -> bytes:
    """The body in UTF-8, without byte order marks, and without zero bytes at its end."""
    if body[:1] == b"{" and body[-1:] == b"}":
        return body  # the common case
    body = in_utf8(body)
    while body.startswith(b"\xef\xbb\xbf"):
        body = body[3:]
    return body.rstrip(b"\0")


def in_utf8(body: bytes) -> bytes:
    """The body in UTF-8, if a byte order mark says that it is in UTF-16 or UTF-32; else as it is."""
    for mark, encoding in _MARKS.items():
        if body.startswith(mark):
            return body.decode(encoding, "replace").encode("utf-8", "replace")
    return body


def split(body: bytes) -> list[tuple[str, bytes]] | None:
    """The members of an object, in order, with the text of each value. None if `body` is no object."""
    return _read(body, "{}", _Reader.members)


def elements(body: bytes) -> list[bytes] | None:
    """The texts of the elements of a list, in order. None if `body` is no list."""
    return _read(body, "[]", _Reader.elements)


def structure(body: bytes) -> bytes | None:
    """The text of a list or an object, without surrounding white space. None if `body` is neither."""
    return _read(body, "[]", _Reader.whole) or _read(body, "{}", _Reader.whole)


def readable(text: bytes) -> str:
    """JSON text as a string: control characters within strings, and bytes that are not UTF-8, become escapes."""
    decoded = text.decode("utf-8", "surrogateescape")
    return _with_escapes(decoded).encode("utf-8", "backslashreplace").decode()


def _with_escapes(text: str) -> str:
    at, parts = 0, list[str]()
    while (clean := _NO_CONTROL.match(text, at)) is not None:
        found = _STRING.match(text, clean.end())
        if found is None:  # the end, or a quotation mark that nothing closes
            break
        parts += clean[0], found[0].translate(_ESCAPES)
        at = found.end()
    return "".join([*parts, text[at:]])


def _read(body: bytes, brackets: str, read: Callable[["_Reader"], T | None]) -> T | None:
    text = plain(body).decode("utf-8", "surrogateescape").strip(_SPACE)
    if len(text) < 2 or text[0] + text[-1] != brackets:
        return None
    found = read(_Reader(text))
    if found is None and (corrected := _without_last_commas(text)) is not None:
        found = read(_Reader(corrected))
    return found


def _without_last_commas(text: str) -> str | None:
    """The text without commas before the end of a list or an object. None if there are none, or no value before one."""
    at, parts = 0, list[str]()
    while (found := _UP_TO_LAST_COMMA.match(text, at)) is not None and len(parts) < MAX_BRACKETS:
        if found[1].rstrip()[-1:] in {"", ",", "[", "{"}:
            return None
        parts.append(found[1])
        at = found.end()
    return "".join([*parts, text[at:]]) if parts else None


class _Reader:
    """One reading of the text of a list or an object, brackets included."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._brackets_left = MAX_BRACKETS
        self._is_too_deep = is_too_deep(text)

    def members(self) -> list[tuple[str, bytes]] | None:
        """The members; None if they cannot be read."""
        pairs, text = list[tuple[str, bytes]](), self._text

        def read_member(at: int) -> int:
            key, at = _read_value(text, at)
            at = self._skip(at)
            if not isinstance(key, str) or text[at] != ":":
                raise ValueError("no member")
            begin = self._skip(at + 1)
            end = self._end_of_value(begin)
            pairs.append((key, self._encoded(begin, end)))
            return end

        return pairs if self._read_items(read_member) else None

    def elements(self) -> list[bytes] | None:
        """The elements; None if they cannot be read."""
        found = list[bytes]()

        def read_element(at: int) -> int:
            end = self._end_of_value(at)
            found.append(self._encoded(at, end))
            return end

        return found if self._read_items(read_element) else None

    def whole(self) -> bytes | None:
        """All of the text; None if it cannot be read."""
        try:
            end = self._end_of_value(0)
        except ValueError:
            return None
        return self._encoded(0, end) if end == len(self._text) else None

    def _read_items(self, read_item: Callable[[int], int]) -> bool:
        """Call `read_item` with the place of each item; it returns the end of it. Returns whether all was read."""
        last = len(self._text) - 1
        try:
            at = self._skip(1)
            while at < last:
                at = self._skip(read_item(at))
                if self._text[at] != ",":
                    return at == last
                at = self._skip(at + 1)
                if at == last:
                    return False  # a comma before the end
        except (ValueError, IndexError):
            return False
        return True

    def _end_of_value(self, begin: int) -> int:
        if not self._is_too_deep or self._text[begin] not in _CLOSING:
            try:
                return int(_read_value(self._text, begin)[1])
            except RecursionError:
                pass  # the caller has left too little of Python's limit
        return self._end_of_brackets(begin)

    def _end_of_brackets(self, begin: int) -> int:
        """The end of a value in text that is nested too deeply for the decoder. Only its brackets are checked."""
        open_brackets = list[str]()
        for found in _BRACKET.finditer(self._text, begin):
            if found[0][0] == '"':
                continue
            self._brackets_left -= 1
            if found[0] in _CLOSING:
                open_brackets.append(_CLOSING[found[0]])
            elif not open_brackets or open_brackets.pop() != found[0]:
                break
            if not open_brackets:
                return found.end()
            if self._brackets_left < 0 or len(open_brackets) > MAX_DEPTH:
                break
        raise ValueError("the brackets do not match, or are too many")

    def _skip(self, at: int) -> int:
        """The place of the next character from `at` that is not white space."""
        while self._text[at] in _SPACE:
            at += 1
        return at

    def _encoded(self, begin: int, end: int) -> bytes:
        return self._text[begin:end].encode("utf-8", "surrogateescape")
