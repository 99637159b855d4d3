"""Builds models of options, and reports all mistakes together in plain words."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import date, time
from difflib import get_close_matches
from os import PathLike
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError, ValidationInfo

from batchrun.domain.user_info import without_secrets, without_user_info
from batchrun.errors import InputError

_Model = TypeVar("_Model", bound=BaseModel)
FieldNamer = Callable[[str], str]
"""Returns the name of a field for messages: an option, a variable, or a line of a file."""


BUILDING: ContextVar[dict[str, Any] | None] = ContextVar("building", default=None)
"""The validation context of `build`, for a model that has an `__init__` of its own."""


class Conflict(NamedTuple):
    """Valid values that contradict each other."""

    fields: tuple[str, ...]
    text: str


def build(model: type[_Model], values: Mapping[str, object], name: FieldNamer) -> _Model:
    """Build a model from values by field name. Raises `InputError` with all mistakes, one per line."""
    try:
        return validated(model, values, {"name": name})
    except ValidationError as error:
        problems = error.errors()
    lines = [line for problem in problems for line in _messages(model, problem, name)]
    invalid = {str(problem["loc"][0]) for problem in problems if problem["loc"]}
    if invalid:
        # pydantic checks for conflicts only if each value is valid, so check the valid values again without the others.
        required = {field: "none" for field, info in model.model_fields.items() if info.is_required()}
        valid = {field: value for field, value in values.items() if field not in invalid}
        try:
            validated(model, required | valid, {"name": name, "invalid": invalid})
        except ValidationError as error:
            lines += [line for problem in error.errors() for line in _messages(model, problem, name)]
    raise InputError(*lines)


def validated(model: type[_Model], values: Mapping[str, object], context: dict[str, Any]) -> _Model:
    """Build a model, with pydantic's own errors. `context`: see `field_namer` and `raise_conflicts`."""
    token = BUILDING.set(context)
    try:
        return model.model_validate(dict(values), context=context)
    finally:
        BUILDING.reset(token)


def field_namer(info: ValidationInfo, default: FieldNamer) -> FieldNamer:
    """The `name` argument of `build`, or `default`."""
    name: FieldNamer = (info.context or {}).get("name", default)
    return name


def raise_conflicts(conflicts: Iterable[Conflict], info: ValidationInfo) -> None:
    """Raise ValueError with all conflicts, except those that involve an invalid field."""
    invalid = (info.context or {}).get("invalid", ())
    messages = [text for fields, text in conflicts if not any(field in invalid for field in fields)]
    if messages:
        raise ValueError("\n".join(messages))


def json_problem(value: object) -> str | None:
    """Why `value` cannot be sent as JSON; None if it can."""
    match value:
        case None | str() | bool() | int():
            return None
        case float():
            return None if math.isfinite(value) else f"{value} is no number of JSON; write it as text, in quotes"
        case dict():
            return next((reason for item in value.values() if (reason := json_problem(item))), None)
        case list() | tuple():
            return next((reason for item in value if (reason := json_problem(item))), None)
        case date() | time():
            return f"{value.isoformat()} is a {type(value).__name__}, which JSON does not have; write it in quotes"
        case _:
            return f"a {type(value).__name__} cannot be sent as JSON; write it as text"


def unknown_option(name: str, known: Iterable[str], *, dashes: bool = True) -> str:
    """The message for an option that is not among the fields `known`. `dashes`: not named as Python names options."""
    written, other = ("-", "_") if dashes else ("_", "-")
    names = [field.replace(other, written) for field in known]
    name = name.replace(other, written)
    return f"unknown option {name!r}{did_you_mean(name.lower(), names)}"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`; did you mean …?` if one of `known` is similar to `name`, else an empty string."""
    suggestion = get_close_matches(name, known, 1)
    return f"; did you mean {suggestion[0]}?" if suggestion else ""


def _messages(model: type[BaseModel], problem: Mapping[str, Any], name: FieldNamer) -> list[str]:
    if not problem["loc"]:
        return str(problem["msg"]).removeprefix("Value error, ").splitlines()
    field, *inner = map(str, problem["loc"])
    match problem["type"]:
        case "missing" | "extra_forbidden" if inner:
            *_, number, key = problem["loc"]
            what = "is missing" if problem["type"] == "missing" else "is none of its keys"
            return [f"{name(field)} {int(number) + 1 if isinstance(number, int) else number}: {key} {what}"]
        case "missing":
            return [f"{name(field)} is missing{_EXAMPLES.get(field, '')}"]
        case "extra_forbidden":
            location, colon, shown = name(field).rpartition(": ")
            unknown = unknown_option(field, model.model_fields, dashes=shown != field or "-" in field)
            return [location + colon + unknown]
        case _:
            where = " ".join((name(field), ".".join(inner))).strip()
            value = problem.get("input")
            if field.endswith("_url") and isinstance(value, str):
                value = without_secrets(value)
            got = "" if isinstance(value, dict) or field in _UNSHOWN else f" (got {_shown(value)})"
            return [f"{where}: {_message(problem)}{got}"]


_UNSHOWN = frozenset({"token_command"})
"""Fields whose values may hold the token."""

_EXAMPLES = {
    "input": ": name the file of rows, as in batchrun run rows.csv --workflow-id ID",
    "workflow_id": ": name the workflow that every row is sent to",
}


def _shown(value: object) -> str:
    """A value for a message: shortened, and without credentials in a URL."""
    if isinstance(value, str | PathLike):
        return _short(repr(without_user_info(str(value))))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return value.isoformat()
    return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


def _message(problem: Mapping[str, Any]) -> str:
    limits = problem.get("ctx", {})
    match problem["type"]:
        case "string_type":
            return "expected text, in quotes"
        case "string_too_short":
            return "is empty"
        case "path_type":
            return "expected a path, in quotes"
        case "bool_type" | "bool_parsing":
            return "expected true or false"
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return "expected a whole number"
        case "float_type" | "float_parsing":
            return "expected a number"
        case "finite_number":
            return "expected a finite number"
        case "greater_than":
            return f"must be more than {limits['gt']:.15g}"
        case "greater_than_equal":
            return f"must be at least {limits['ge']:.15g}"
        case "less_than_equal":
            return f"must be at most {limits['le']:.15g}"
        case "literal_error":
            return f"expected {limits['expected'].replace(chr(39), '')}"
        case "dict_type":
            return "expected a table of names and values"
        case "list_type":
            return 'expected a list, such as ["a", "b"]'
        case _:
            message = str(problem["msg"]).removeprefix("Value error, ")
            return message[:1].lower() + message[1:]
