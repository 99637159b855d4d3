"""The options of the commands, made from the fields of `Job`: one name, one default, one help text for all."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from batchrun.app.jobfile import read_options
from batchrun.errors import InputError
from batchrun.job import Job, option_name

_F = TypeVar("_F", bound=Callable[..., Any])

_METAVARS = {
    "api": "v1", "base_url": "URL", "ca_file": "PATH", "checkpoint_dir": "DIR", "const": "NAME=VALUE", "delimiter": "C",
    "encoding": "NAME", "format": "csv|tsv|jsonl|arrow|parquet", "in_doubt": "hold|resubmit|fail", "key": "COLUMN",
    "max_failures": "N|P%", "max_outage": "DURATION", "max_runtime": "DURATION", "out": "DIR", "param": "NAME=COLUMN",
    "reuse": "DIR", "select": "NAME=EXPR", "sim": "NAME=VALUE", "skip": "COLUMN", "token_file": "PATH",
    "type": "COLUMN=str|int|float|bool|json", "workflow_id": "ID",
}  # fmt: skip
_REPEATED = frozenset({"param", "const", "skip", "sim", "type", "select"})
_SECONDS = ("poll_initial", "poll_max", "run_timeout", "request_timeout", "drain_timeout")


def job_options(*, without: Sequence[str] = ()) -> Callable[[_F], _F]:
    """Add an option for every field of `Job` but `input` and those in `without`."""

    def decorate(function: _F) -> _F:
        for field in reversed(Job.model_fields):
            if field != "input" and field not in without:
                function = _option(field)(function)
        return function

    return decorate


def _option(field: str) -> Callable[[_F], _F]:
    info = Job.model_fields[field]
    names = ("-o", "--out") if field == "out" else ("-j", "--max-in-flight") if field == "max_in_flight" else ()
    help_text = info.description or ""
    if isinstance(info.default, bool):
        return click.option(
            option_name(field), field, is_flag=True, default=None, envvar=_variable(field), help=help_text
        )
    if info.default not in (None, [], {}) and not info.is_required():
        default = f"{info.default:g}" if isinstance(info.default, float) else info.default
        help_text += f" [default: {default}]"
    return click.option(
        *(names or (option_name(field),)),
        field,
        multiple=field in _REPEATED,
        default=None,
        envvar=None if field in _REPEATED else _variable(field),
        metavar=_METAVARS.get(field, "S" if field in _SECONDS else "N"),
        help=help_text,
    )


def _variable(field: str) -> str | list[str]:
    name = f"BATCHRUN_{field.upper()}"
    return [name, "COZE_API_BASE"] if field == "base_url" else name


def shown_options(function: _F) -> _F:
    """Add the options about what a command shows."""
    for option in (
        click.option("-v", "--verbose", count=True, help="More log on standard error."),
        click.option("-q", "--quiet", is_flag=True, help="Only errors."),
        click.option("--json", "as_json", is_flag=True, help="The summary as one JSON object on standard output."),
        click.option(
            "--progress",
            type=click.Choice(["auto", "bar", "log", "none"]),
            default="auto",
            envvar="BATCHRUN_PROGRESS",
            show_default=True,
            help="A bar on a terminal, a line every 10 s elsewhere.",
        ),
    ):
        function = option(function)
    return function


def given(options: Mapping[str, Any]) -> dict[str, Any]:
    """The job options that were given, parsed as far as the command line's own syntax goes."""
    values: dict[str, Any] = {}
    for field, value in options.items():
        if value is None or value == ():
            continue
        match field:
            case "param":
                values[field] = dict(_pairs("--param NAME=COLUMN", value))
            case "type" | "select":
                values[field] = dict(_pairs(f"--{field} {_METAVARS[field]}", value))
            case "const":
                values[field] = {name: _json_or_text(text) for name, text in _pairs("--const NAME=VALUE", value)}
            case "skip" | "sim":
                values[field] = list(value)
            case _:
                values[field] = value
    return values


def merged(input_path: str | None, config: str | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """All layers: the file, then the environment and the flags (click puts a flag before its variable)."""
    values = read_options(Path(config)) if config else {}
    if config:
        values = {
            field: value for field, value in values.items() if field not in {"progress", "json", "quiet", "verbose"}
        }
    values |= given(options)
    if input_path is not None:
        values["input"] = input_path
    return values


def token_of_environment() -> str | None:
    """`COZE_API_TOKEN`."""
    return os.environ.get("COZE_API_TOKEN")


def _pairs(usage: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise InputError(f"{usage}: expected a name, an equals sign and a value (got {text!r})")
        if name in dict(pairs):
            raise InputError(f"{usage}: {name!r} is given twice")
        pairs.append((name, value))
    return pairs


def _json_or_text(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError):
        return text
