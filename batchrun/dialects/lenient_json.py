"""A second reading of answers that are not strict JSON: a result that was paid for is kept if it can be read at all.

Accepted besides JSON: a byte order mark, bytes that are not UTF-8, control characters in strings, halves of surrogate
pairs, `NaN` and `Infinity`, and any depth. Text that breaks off, or in which brackets do not match, is not read.
"""

import json
import re

_SPACE = " \t\r\n"
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f]")
_CLOSING = {"{": "}", "[": "]"}

_read_value = json.JSONDecoder(
    strict=False, parse_int=lambda _: 0, parse_float=lambda _: 0, parse_constant=lambda _: 0
).raw_decode


def split(body: bytes) -> list[tuple[str, bytes]] | None:
    """The members of an object, in order, with the text of each value. None if `body` is no object."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape").strip(_SPACE)
    if text[:1] != "{" or text[-1:] != "}":
        return None
    pairs, at = list[tuple[str, bytes]](), _skip(text, 1)
    if at == len(text) - 1:
        return pairs
    try:
        while True:
            key, at = _read_value(text, at)
            at = _skip(text, at)
            if not isinstance(key, str) or text[at] != ":":
                return None
            begin = _skip(text, at + 1)
            end = _end_of_value(text, begin)
            pairs.append((key, text[begin:end].encode("utf-8", "surrogateescape")))
            at = _skip(text, end)
            if text[at] != ",":
                return pairs if at == len(text) - 1 else None
            at = _skip(text, at + 1)
    except (ValueError, IndexError):
        return None


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
