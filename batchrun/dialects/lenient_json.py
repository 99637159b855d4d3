"""A second reading of answers that are not strict JSON: a result that was paid for is kept if it can be read at all.

Accepted besides JSON: a byte order mark, bytes that are not UTF-8, control characters in strings, halves of surrogate
pairs, `NaN` and `Infinity`, and any depth. Text that breaks off, or in which brackets do not match, is not read.
"""

import json
import re
from collections.abc import Callable

_SPACE = " \t\r\n"
# Possessive quantifiers: otherwise a long string would take memory for each of its characters.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_CLOSING = {"{": "}", "[": "]"}

_read_value = json.JSONDecoder(
    strict=False, parse_int=lambda _: 0, parse_float=lambda _: 0, parse_constant=lambda _: 0
).raw_decode


def split(body: bytes) -> list[tuple[str, bytes]] | None:
    """The members of an object, in order, with the text of each value. None if `body` is no object."""
    text = _text(body)
    pairs = list[tuple[str, bytes]]()

    def read_member(at: int) -> int:
        key, at = _read_value(text, at)
        at = _skip(text, at)
        if not isinstance(key, str) or text[at] != ":":
            raise ValueError("no member")
        begin = _skip(text, at + 1)
        end = _end_of_value(text, begin)
        pairs.append((key, _encoded(text[begin:end])))
        return end

    return pairs if _read_items(text, "{}", read_member) else None


def elements(body: bytes) -> list[bytes] | None:
    """The texts of the elements of a list, in order. None if `body` is no list."""
    text = _text(body)
    found = list[bytes]()

    def read_element(at: int) -> int:
        end = _end_of_value(text, at)
        found.append(_encoded(text[at:end]))
        return end

    return found if _read_items(text, "[]", read_element) else None


def _read_items(text: str, brackets: str, read_item: Callable[[int], int]) -> bool:
    """Call `read_item` with the place of each item; it returns the end of the item. Returns whether all was read."""
    if len(text) < 2 or text[0] + text[-1] != brackets:
        return False
    try:
        at = _skip(text, 1)
        while at < len(text) - 1:
            at = _skip(text, read_item(at))
            if text[at] != ",":
                return at == len(text) - 1
            at = _skip(text, at + 1)
            if at == len(text) - 1:
                return False  # a comma before the end
    except (ValueError, IndexError):
        return False
    return True


def _text(body: bytes) -> str:
    return body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").strip(_SPACE)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def readable(text: bytes) -> str:
    """JSON text as a string: control characters within strings, and bytes that are not UTF-8, become escapes."""
    decoded = text.decode("utf-8", "surrogateescape")
    escaped = _STRING.sub(lambda found: _CONTROL.sub(_escape, found[0]), decoded)
    return escaped.encode("utf-8", "backslashreplace").decode()


def _end_of_value(text: str, begin: int) -> int:
    try:
        return int(_read_value(text, begin)[1])
    except RecursionError:
        return _end_of_brackets(text, begin)


def _end_of_brackets(text: str, begin: int) -> int:
    """The end of a value that is nested too deeply for the decoder. Only its brackets are checked."""
    open_brackets = list[str]()
    for found in _BRACKET.finditer(text, begin):
        if found[0] in _CLOSING:
            open_brackets.append(_CLOSING[found[0]])
        elif found[0][0] != '"' and (not open_brackets or open_brackets.pop() != found[0]):
            break
        if not open_brackets:
            return found.end()
    raise ValueError("the brackets do not match")


def _skip(text: str, at: int) -> int:
    """The place of the next character from `at` that is not white space."""
    while text[at] in _SPACE:
        at += 1
    return at


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
