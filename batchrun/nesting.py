"""How deeply nested JSON is decoded: to the same depth on every Python.

The decoders give up at a depth of their own: with Python 3.11 after 1,000 levels less the frames of the caller, with
3.12.1 after 1,500 levels, with 3.13.0 after 10,000. So that one answer has one result, they never see more than
`MAX_LEVELS`, and less of what is compared. A value that is nested more deeply stays the text that it is.
"""

from array import array
from collections.abc import Callable
from itertools import accumulate
from typing import TypeVar

T = TypeVar("T")

MAX_LEVELS = 920
"""Levels of lists and objects that are decoded. Python 3.11 allows 1,000, less the frames of the caller."""

MAX_COMPARED = 250
"""Levels of decoded values that are compared. That takes two frames of Python for each level, so that half of its limit
of 1,000 frames is left to the caller."""

_BRACKETS = b"[]{}"
_ALL_OTHERS = bytes(code for code in range(256) if code not in b'"' + _BRACKETS)
_STEPS = bytes.maketrans(_BRACKETS, b"\x01\xff\x01\xff")
"""The change of the depth at a bracket, as a signed byte."""


def bounded(decode: Callable[[bytes | str], T], most: int = MAX_LEVELS) -> Callable[[bytes | str], T]:
    """The decoder, which raises `RecursionError` for JSON text that is nested more deeply than `most` levels."""

    def decode_bounded(text: bytes | str) -> T:
        if is_too_deep(text, most):
            raise RecursionError(f"nested more deeply than {most} levels")
        return decode(text)

    return decode_bounded


def is_too_deep(text: bytes | str, most: int = MAX_LEVELS) -> bool:
    """Whether JSON text is nested more deeply than `most` levels; in text that is no JSON, up to where it is some."""
    if len(text) <= most:
        return False
    if isinstance(text, str):
        return text.count("[") + text.count("{") > most and _levels(text.encode("ascii", "replace")) > most
    return text.count(b"[") + text.count(b"{") > most and _levels(text) > most


def _levels(text: bytes) -> int:
    """The most brackets that are open at once, outside strings."""
    # An answer may have megabytes, and the event loop waits meanwhile: so there is no step of Python for each bracket.
    if b"\\" in text:
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")  # then each quotation mark begins or ends a string
    marks = text.translate(None, _ALL_OTHERS).replace(b'""', b"")  # strings without a bracket, or two in a row as one
    brackets = b"".join(marks.split(b'"')[::2])
    return max(accumulate(array("b", brackets.translate(_STEPS))), default=0)
