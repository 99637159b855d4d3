"""Decodes outputs, and writes values as JSON text, without loss of digits."""

import json
from typing import Any

import msgspec

from batchrun.nesting import bounded

_decode = bounded(msgspec.json.Decoder().decode)
_encode = msgspec.json.Encoder().encode


def decode(text: str) -> Any:
    """The decoded JSON text. Raises ValueError (or RecursionError, if it is nested too deeply) if it is not JSON."""
    try:
        return _decode(text)
    except (msgspec.MsgspecError, UnicodeError):
        # It may still be JSON, which allows numbers of any size and lone surrogates.
        return json.loads(text, parse_float=_number, parse_int=_number, parse_constant=_nothing)


def decode_or_none(text: str | None) -> Any:
    """The decoded JSON text, or None if it is not JSON."""
    if text is None:
        return None
    try:
        return decode(text)
    except (ValueError, RecursionError):
        return None


def is_json(text: str) -> bool:
    """Whether every strict reader takes the text. Numbers may have any size; halves of surrogate pairs are refused."""
    try:
        _decode(text)
    except RecursionError:
        return False
    except (msgspec.MsgspecError, UnicodeError):
        try:  # a number out of the range of doubles is JSON
            json.dumps(
                json.loads(text, parse_float=str, parse_int=str, parse_constant=_refuse), ensure_ascii=False
            ).encode()
        except (ValueError, RecursionError):
            return False
    return True


def json_text(value: object) -> str | None:
    """The value as JSON text; None for null, and for results of JMESPath that are not values (`&name`)."""
    if value is None:
        return None
    try:
        return _encode(value).decode()
    except UnicodeEncodeError:
        return json.dumps(value, default=lambda number: bytes(number).decode())
    except (TypeError, ValueError, RecursionError):
        return None


def _number(literal: str) -> object:
    """The number; as its literal if Python cannot represent it."""
    try:
        return _decode(literal)
    except msgspec.MsgspecError:
        return msgspec.Raw(literal.encode())


def _nothing(_literal: str) -> None:
    """NaN and Infinity, which some services write, have no value in JSON."""


def _refuse(literal: str) -> None:
    raise ValueError(f"{literal} is not JSON")
