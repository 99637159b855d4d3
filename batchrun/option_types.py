"""The kinds of values that options have: what is read as what, and what makes no sense."""

import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import BeforeValidator, Field

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


def _no_switch(value: object) -> object:
    if isinstance(value, bool):  # which Python takes for 0 or 1
        raise ValueError("expected a number")
    return value


def _path(value: object) -> object:
    if isinstance(value, str) and not value.strip():  # which pathlib takes for the working directory
        raise ValueError("is empty")
    if isinstance(value, str | Path) and str(value).startswith("~"):
        with suppress(RuntimeError):  # there is no such user: then it is a name like any other
            return Path(value).expanduser()
    return value


Number: TypeAlias = Annotated[float, BeforeValidator(_no_switch), Field(allow_inf_nan=False)]
Seconds: TypeAlias = Annotated[Number, BeforeValidator(parse_duration), Field(gt=0)]
Rate: TypeAlias = Annotated[Number, Field(gt=0, le=1e6)]
Whole: TypeAlias = Annotated[int, BeforeValidator(_no_switch)]
Count: TypeAlias = Annotated[Whole, Field(gt=0)]
File: TypeAlias = Annotated[Path, BeforeValidator(_path)]
ColumnKind: TypeAlias = Literal["str", "int", "float", "bool", "json"]

_LISTEN = re.compile(r"(\[(?P<ipv6>[0-9A-Fa-f:.]+(%[\w.-]+)?)\]|(?P<name>[^\s:/\[\]]+)):(?P<port>[0-9]{1,5})", re.ASCII)


def listed(words: Iterable[str]) -> str:
    """The words as a sentence has them: `a, b or c`."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def web_address(value: str, example: str) -> str:
    """An http address below which paths are put; raises ValueError that shows an `example`."""
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", value):
        raise ValueError(f"expected an address such as {example}, with no user, query or fragment")
    return value.rstrip("/")


def host_and_port(value: str) -> tuple[str, int]:
    """Where to listen, of `HOST:PORT` or `[IPV6]:PORT`; raises ValueError."""
    if (match := _LISTEN.fullmatch(value)) is None:
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    if not 1 <= (port := int(match["port"])) <= 65535:
        raise ValueError("expected a fixed port from 1 to 65535, to which --callback-url leads")
    return match["name"] or match["ipv6"], port
