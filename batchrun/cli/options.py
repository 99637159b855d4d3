"""The command-line options, generated from the fields of `Job`, which define name, default and help text."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar, get_args, get_origin

import click
import msgspec
from pydantic.fields import FieldInfo

from batchrun.cli.run_flags import RUN_FLAGS
from batchrun.dialects import AUTO, DIALECTS
from batchrun.domain.input_formats import FORMATS
from batchrun.errors import InputError
from batchrun.job import Job
from batchrun.options.names import option_name
from batchrun.options.types import ColumnType

_F = TypeVar("_F", bound=Callable[..., Any])

METAVARS = {
    "api": "|".join((AUTO, *DIALECTS)), "app_id": "ID", "base_url": "URL", "bot_id": "ID",
    "ca_file": "PATH", "callback_listen": "HOST:PORT",
    "callback_url": "URL", "checkpoint_dir": "DIR", "cluster": "COLUMN", "const": "NAME=VALUE", "delimiter": "C",
    "encoding": "NAME", "ext": "KEY=VALUE", "file": "COLUMN", "file_root": "DIR",
    "format": "|".join(FORMATS), "key": "COLUMN",
    "max_failures": "N|P%", "max_outage": "DURATION", "max_runtime": "DURATION", "oauth_config": "FILE", "out": "DIR",
    "param": "NAME=COLUMN",
    "ray": "auto|HOST:PORT|none", "rename": "NAME=COLUMN",
    "reuse": "DIR", "schema": "FILE", "select": "NAME=EXPR", "share_limits": "NAME", "score": "NAME=KIND:EXPR:TARGET",
    "sim": "NAME=VALUE",
    "skip": "COLUMN", "token_command": "CMD", "token_file": "PATH", "vary": "NAME=V1,V2,…",
    "type": f"COLUMN={'|'.join(get_args(ColumnType))}",
    "workflow_id": "ID", "workflow_version": "VERSION",
}  # fmt: skip
"""What stands for the value of an option in a help text."""

REPEATED = frozenset(
    {"param", "rename", "const", "ext", "file", "skip", "sim", "type", "select", "vary", "score", "variant"}
)
_SECONDS = ("poll_initial", "poll_max", "run_timeout", "request_timeout", "drain_timeout")


def job_options(*, without: Sequence[str] = ()) -> Callable[[_F], _F]:
    """Add an option for every field of `Job` except `input` and those in `without`."""

    def decorate(function: _F) -> _F:
        for field in reversed(Job.model_fields):
            if field not in {"input", "variant"} and field not in without:
                function = _option(field)(function)
        return function

    return decorate


def _option(field: str) -> Callable[[_F], _F]:
    info = Job.model_fields[field]
    names = ("-o", "--out") if field == "out" else ("-j", "--max-in-flight") if field == "max_in_flight" else ()
    help_text = info.description or ""
    if isinstance(info.default, bool):
        return click.option(option_name(field), field, is_flag=True, default=None, help=help_text)
    if info.default not in (None, [], {}) and not info.is_required():
        help_text += f" [default: {shown_default(field, info.default)}]"
    return click.option(
        *(names or (option_name(field),)),
        field,
        multiple=field in REPEATED,
        default=None,
        metavar=METAVARS.get(field) or _choices(info) or ("S" if field in _SECONDS else "N"),
        help=help_text,
    )


def _choices(info: FieldInfo) -> str:
    """The allowed values of an option, if they are fixed."""
    kinds = (info.annotation, *get_args(info.annotation))
    return next(("|".join(get_args(kind)) for kind in kinds if get_origin(kind) is Literal), "")


def shown_default(field: str, default: object) -> str:
    """A default as the user would write it."""
    if METAVARS.get(field) == "DURATION" and isinstance(default, float):
        return f"{default / 60:g}m"
    return f"{default:g}" if isinstance(default, float) else str(default)


def shown_options(function: _F) -> _F:
    """Add the options for the output of a command."""
    for option in (
        click.option("-v", "--verbose", count=True, help=RUN_FLAGS["verbose"].description),
        click.option("-q", "--quiet", is_flag=True, default=None, help=RUN_FLAGS["quiet"].description),
        click.option("--log-file", metavar="FILE", default=None, help=RUN_FLAGS["log_file"].description),
        click.option("--json", is_flag=True, default=None, help=RUN_FLAGS["json"].description),
        click.option(
            "--progress",
            metavar=_choices(RUN_FLAGS["progress"]),
            help=f"{RUN_FLAGS['progress'].description} [default: {RUN_FLAGS['progress'].default}]",
        ),
    ):
        function = option(function)
    return function


def given_options(options: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    """The given options, with the syntax of repeated options parsed. Mistakes are appended to `problems`."""
    values: dict[str, Any] = {}
    for field, value in options.items():
        if value is None or value == () or field == "config" or (field == "verbose" and value == 0):
            continue
        match field:
            case "param" | "rename" | "type" | "select" | "ext" | "vary" | "score":
                values[field] = dict(_pairs(field, value, problems))
            case "const":
                values[field] = {name: _json_or_text(text) for name, text in _pairs(field, value, problems)}
            case "skip" | "sim" | "file":
                values[field] = list(value)
            case "out" if str(value).startswith("-"):
                problems.append(f"-o: {value!r} looks like an option; is the name missing? Otherwise write ./{value}")
            case _:
                values[field] = value
    return values


def scorers_given(texts: Sequence[str]) -> dict[str, str]:
    """The scorers of `--score`, by name. Raises `InputError`."""
    problems: list[str] = []
    found = dict(_pairs("score", texts, problems))
    if problems:
        raise InputError(*problems)
    return found


def _pairs(field: str, texts: Sequence[str], problems: list[str]) -> list[tuple[str, str]]:
    usage = f"--{field} {METAVARS[field]}"
    pairs: list[tuple[str, str]] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            problems.append(f"{usage}: expected a name, an equals sign and a value (got {text!r})")
        elif name in dict(pairs):
            problems.append(f"{usage}: {name!r} is given twice")
        else:
            pairs.append((name, value))
    return pairs


def _json_or_text(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError):
        return text
