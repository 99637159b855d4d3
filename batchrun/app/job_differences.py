"""How the options of two jobs differ, told as they are typed in a shell."""

import shlex
from collections.abc import Container
from typing import Any

import msgspec

from batchrun.dialects import AUTO
from batchrun.job import PINNED
from batchrun.options.names import option_name
from batchrun.views.printable import on_one_line


def differences(
    before: dict[str, Any], now: dict[str, Any], names: Container[str] = PINNED, *, may_change_api: bool = False
) -> list[str]:
    """The differences between the options `before` and `now`, limited to `names`, one line each.

    `may_change_api`: no row has a run in the API of `before`.
    """
    return [
        _difference(name, before.get(name), value)
        for name, value in now.items()
        if name in names
        and _comparable(before.get(name)) != _comparable(value)
        and not (name == "base_url" and before.get("simulate") != now.get("simulate"))
        and not (name == "api" and (may_change_api or _may_follow(before.get(name), value)))
    ]


def _difference(name: str, before: object, now: object) -> str:
    if name == "simulate":
        before_with, now_with = ("with" if simulate else "without" for simulate in (before, now))
        return f"this job was run {before_with} --simulate, now it is run {now_with} it"
    also = " (with the targets of --score)" if name == "skip" else ""
    return f"was: {_as_typed(name, before)}; now: {_as_typed(name, now)}{also}"


def _may_follow(before: object, now: object) -> bool:
    """Whether a job may go on with another `--api`: nothing was settled, or the two differ in their polls alone."""
    return before == AUTO or {before, now} == {"open", "studio"}


def _comparable(value: object) -> bytes:
    """A value as JSON text for comparison, because 1, 1.0 and True are equal in Python but differ when sent.

    None, which also stands for options that an earlier version did not have, equals an empty value.
    """
    return msgspec.json.encode(value or None, order="sorted")


def _as_typed(name: str, value: object) -> str:
    """The option as it is typed in a shell; `variant`, which is not, as JSON."""
    option = option_name(name)
    if value in (None, [], {}):
        return f"no {option}"
    if isinstance(value, dict):
        shown = _constant if name in {"const", "vary"} else _text
        values = [f"{key}={shown(one)}" for key, one in value.items()]
    elif isinstance(value, list) and name != "variant":
        values = list(map(_text, value))
    else:
        values = [_text(value)]
    return on_one_line(" ".join(f"{option} {shlex.quote(one)}" for one in values))


def _text(value: object) -> str:
    return value if isinstance(value, str) else _json(value)


def _constant(value: object) -> str:
    """A value that is read as JSON if it parses as JSON, else as text."""
    if not isinstance(value, str):
        return _json(value)
    try:
        msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value
    return _json(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
