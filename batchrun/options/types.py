"""The types of option values, with their parsing and validation."""

import re
from collections.abc import Iterable
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import Annotated, Literal, SupportsIndex, TypeAlias
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from batchrun.errors import InputError

_UNITS = {"": 1, "ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(value: object) -> object:
    """Seconds from a number or from text such as `90s`, `10m`, `2h`, `1h30m`."""
    if not isinstance(value, str):
        return value
    if not re.fullmatch(r"\s*((\d+(\.\d*)?|\.\d+)\s*(ms|s|m|h|d)?\s*)+", value):
        raise ValueError("expected seconds, or a duration such as 90s, 10m or 2h")
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|h|d)?", value)
    if len(parts) > 1 and any(not unit for _, unit in parts):
        raise ValueError("expected seconds, or a duration such as 90s, 10m or 2h")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def _reject_bool(value: object) -> object:
    if isinstance(value, bool):  # bool is a subclass of int
        raise ValueError("expected a number")
    return value


def _expand_path(value: object) -> object:
    if isinstance(value, str) and not value.strip():  # pathlib treats it as the working directory
        raise ValueError("is empty")
    if isinstance(value, str | Path) and str(value).startswith("~"):
        with suppress(RuntimeError):  # no such user; keep the path as it is
            return Path(value).expanduser()
    return value


Number: TypeAlias = Annotated[float, BeforeValidator(_reject_bool), Field(allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[Number, BeforeValidator(parse_duration), Field(gt=0)]
Rate: TypeAlias = Annotated[Number, Field(gt=0, le=1e6)]
Integer: TypeAlias = Annotated[int, BeforeValidator(_reject_bool)]
Count: TypeAlias = Annotated[Integer, Field(gt=0)]
File: TypeAlias = Annotated[Path, BeforeValidator(_expand_path)]
ColumnType: TypeAlias = Literal["str", "int", "float", "bool", "json"]


def whole_number(value: object, name: str) -> int:
    """A whole number of Python or numpy. Raises `InputError` for any other value."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        raise InputError(f"{name}: expected a whole number (got {value!r})")
    return int(value)


def several(value: object, name: str, example: str) -> list[object]:
    """The items of a collection. Raises `InputError` for any other value, also for text, which is one item."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InputError(f"{name}: expected a list, such as {example} (got {value!r})")
    return list(value)


def folder_of(value: object, name: str = "DIR") -> Path:
    """The path of a run directory. Raises `InputError` for another value, and for "", which pathlib takes for `.`."""
    if not isinstance(value, str | PathLike):
        raise InputError(f"{name}: expected the path of a run directory (got {value!r})")
    if not str(value).strip():
        raise InputError(f"{name}: is empty; name the run directory of a job")
    return Path(value)


_LISTEN = re.compile(r"(\[(?P<ipv6>[0-9A-Fa-f:.]+(%[\w.-]+)?)\]|(?P<name>[^\s:/\[\]]+)):(?P<port>[0-9]{1,5})", re.ASCII)


def join_alternatives(words: Iterable[str]) -> str:
    """The words joined as in a sentence: `a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def web_address(value: str, example: str) -> str:
    """Validate a base URL and strip its trailing slashes. Raises ValueError with an `example`."""
    if not re.fullmatch(r"https?://[^\s/?#@\\]+(/[^\s?#]*)?", value) or not _has_valid_port(value):
        raise ValueError(f"expected an address such as {example}, with no user, query or fragment")
    return value.rstrip("/")


def _has_valid_port(address: str) -> bool:
    try:
        return urlsplit(address).port != 0
    except ValueError:  # also for brackets that are not those of an IPv6 address
        return False


def host_and_port(value: str) -> tuple[str, int]:
    """Parse `HOST:PORT` or `[IPV6]:PORT`. Raises ValueError."""
    if (match := _LISTEN.fullmatch(value)) is None:
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    if not 1 <= (port := int(match["port"])) <= 65535:
        raise ValueError("expected a fixed port from 1 to 65535, to which --callback-url leads")
    return match["name"] or match["ipv6"], port
