"""Reads JSON without converting values: a value stays the text that the service wrote, also if it is no strict JSON.

Number literals keep every digit in this way, and an output is passed on unchanged. No function here raises.
"""

import json
from typing import TypeAlias

import msgspec

from batchrun.domain import lenient_json
from batchrun.domain.user_info import without_user_info
from batchrun.nesting import bounded

Members: TypeAlias = dict[str, msgspec.Raw]
"""The members of a JSON object, by name."""

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""The errors for text that is not JSON, has another type than expected, or is nested too deeply."""

_decode_members = bounded(msgspec.json.Decoder(Members).decode)
_decode_elements = bounded(msgspec.json.Decoder(list[msgspec.Raw]).decode)
_decode_string = msgspec.json.Decoder(str).decode
_skip = bounded(msgspec.json.Decoder(msgspec.Raw).decode)
_decode_value = bounded(msgspec.json.Decoder().decode)


def members(body: bytes) -> Members | None:
    """The members of a JSON object, which is read leniently; None if `body` is not one."""
    try:
        return _decode_members(body)
    except UNREADABLE:
        pairs = lenient_json.split(body)
        return None if pairs is None else {name: msgspec.Raw(value) for name, value in pairs}


def elements(body: bytes) -> list[msgspec.Raw] | None:
    """The elements of a JSON list, which is read leniently; None if `body` is not one."""
    try:
        return _decode_elements(body)
    except UNREADABLE:
        found = lenient_json.elements(body)
        return None if found is None else [msgspec.Raw(value) for value in found]


def output_text(raw: bytes) -> tuple[str, bool]:
    """The text of an output, and whether it is irregular: not strict JSON in UTF-8, and kept as it can be read."""
    try:
        _skip(raw)
        return raw.decode(), False
    except UNREADABLE:
        return lenient_json.readable(raw), True


def fields(raw: msgspec.Raw | None) -> Members:
    """The members of a value that is an object; empty if it is missing or something else."""
    return members(bytes(raw)) or {} if raw else {}


def message(raw: msgspec.Raw | None) -> str | None:
    """The value of a JSON string, read leniently, or the literal of a number; None for anything else.

    User info is cut from the addresses in it.
    """
    found = text(raw)
    if found is not None:
        return without_user_info(found)
    if not raw:
        return None
    try:
        value = json.loads(bytes(raw).decode("utf-8", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, str):
        return None
    return without_user_info(value.encode("utf-8", "backslashreplace").decode())


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


def name(raw: msgspec.Raw | None) -> str | None:
    """What a value names: the value of a JSON string, or the literal of anything else; None if it names nothing."""
    if not raw:
        return None
    found = text(raw)
    if found is None:
        return bytes(raw).decode("utf-8", "replace") if is_given(raw) else None
    return identifier(found)


def identifier(found: str | None) -> str | None:
    """None for blank text, which names nothing."""
    return None if found is None or not found.strip() else found


def count(raw: msgspec.Raw | None) -> int | None:
    """A non-negative integer of 64 bits, as a number or digits; None for anything else."""
    literal = text(raw) or ""
    number = int(literal) if literal.isascii() and literal.isdecimal() and len(literal) < 20 else None
    return number if number is not None and number < 2**63 else None


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
        return _decode_value(bytes(raw))
    except UNREADABLE:
        return raw
