"""Reads JSON without converting values: a value stays the text that the service wrote.

Number literals keep every digit in this way, and an output is passed on unchanged. No function here raises.
"""

from typing import TypeAlias

import msgspec

Members: TypeAlias = dict[str, msgspec.Raw]
"""The members of a JSON object, by name."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The errors of msgspec for text that is not JSON, or has another type than expected."""

_decode_members = msgspec.json.Decoder(Members).decode
_decode_string = msgspec.json.Decoder(str).decode


def members(body: bytes) -> Members | None:
    """The members of a JSON object; None if `body` is not one."""
    try:
        return _decode_members(body)
    except UNREADABLE:
        return None


def fields(raw: msgspec.Raw | None) -> Members:
    """The members of a value that is an object; empty if it is missing or something else."""
    return members(bytes(raw)) or {} if raw else {}


def text(raw: msgspec.Raw | None) -> str | None:
    """The value of a JSON string, or the literal of a number; None for anything else."""
    if not raw:
        return None
    literal = bytes(raw).strip()
    if literal[:1] == b'"':
        try:
            return _decode_string(literal)
        except UNREADABLE:
            return None
    return literal.decode("ascii", "replace") if literal[:1] in b"-0123456789" and literal else None


def is_text(raw: msgspec.Raw | None) -> bool:
    """Whether the value is a JSON string that is not empty."""
    return raw is not None and bytes(raw).strip()[:1] == b'"' and bool(text(raw))


def is_given(raw: msgspec.Raw | None) -> bool:
    """Whether there is a value other than null."""
    return raw is not None and bytes(raw).strip() not in {b"", b"null"}


def value(raw: msgspec.Raw | None) -> object:
    """The decoded JSON value. Texts that differ only in white space or the order of keys give equal values."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(bytes(raw))
    except UNREADABLE:
        return raw
