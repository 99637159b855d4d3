"""A model of options from values of anywhere; every mistake in them is told at once, as a person would say it."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, time
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError, ValidationInfo

from batchrun.errors import InputError

_Model = TypeVar("_Model", bound=BaseModel)
Naming = Callable[[str], str]
"""What the user calls the place of a field: an option, a variable, a line of a file."""


class Conflict(NamedTuple):
    """Two good values that cannot both be meant."""

    fields: tuple[str, ...]
    text: str


def build(model: type[_Model], values: Mapping[str, object], name: Naming) -> _Model:
    """The model of these values by field name; raises `InputError` with every mistake, one a line."""
    try:
        return model.model_validate(dict(values), context={"name": name})
    except ValidationError as error:
        found = error.errors()
    lines = [line for problem in found for line in _plain(model, problem, name)]
    unfit = {str(problem["loc"][0]) for problem in found if problem["loc"]}
    if unfit:
        # pydantic looks at the values together only if each is good, and there is more to tell of those that are.
        required = {field: "-" for field, info in model.model_fields.items() if info.is_required()}
        fit = {field: value for field, value in values.items() if field not in unfit}
        try:
            model.model_validate(required | fit, context={"name": name, "unfit": unfit})
        except ValidationError as error:
            lines += [line for problem in error.errors() for line in _plain(model, problem, name)]
    raise InputError(*lines)


def naming(info: ValidationInfo, default: Naming) -> Naming:
    """The names that `build` was given."""
    name: Naming = (info.context or {}).get("name", default)
    return name


def refuse_together(contradictions: Iterable[Conflict], info: ValidationInfo) -> None:
    """Raise ValueError with all contradictions, but those in which a field takes part that is wrong by itself."""
    unfit = (info.context or {}).get("unfit", ())
    wrong = [text for fields, text in contradictions if not any(field in unfit for field in fields)]
    if wrong:
        raise ValueError("\n".join(wrong))


def not_json(value: object) -> str | None:
    """Why `value` cannot be sent as JSON; None where it can."""
    match value:
        case None | str() | bool() | int():
            return None
        case float():
            return None if math.isfinite(value) else f"{value} is no number of JSON; write it as text, in quotes"
        case dict():
            return next((reason for item in value.values() if (reason := not_json(item))), None)
        case list() | tuple():
            return next((reason for item in value if (reason := not_json(item))), None)
        case date() | time():
            return f"{value.isoformat()} is a {type(value).__name__}, which JSON does not have; write it in quotes"
        case _:
            return f"a {type(value).__name__} cannot be sent as JSON; write it as text"


def unknown_option(field: str, known: Iterable[str]) -> str:
    """What to say of an option that is none of the fields `known`."""
    name = field.replace("_", "-")
    close = did_you_mean(name.lower(), [one.replace("_", "-") for one in known])
    return f"unknown option {name!r}{close}"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """`; did you mean …?` where one of `known` is close to `name`, else nothing."""
    close = get_close_matches(name, known, 1)
    return f"; did you mean {close[0]}?" if close else ""


def _plain(model: type[BaseModel], problem: Mapping[str, Any], name: Naming) -> list[str]:
    if not problem["loc"]:
        return str(problem["msg"]).removeprefix("Value error, ").splitlines()
    field, *inner = map(str, problem["loc"])
    match problem["type"]:
        case "missing":
            return [f"{name(field)} is missing{_EXAMPLES.get(field, '')}"]
        case "extra_forbidden":
            place, colon, _ = name(field).rpartition(": ")
            return [place + colon + unknown_option(field, model.model_fields)]
        case _:
            where = " ".join((name(field), ".".join(inner))).strip()
            value = problem.get("input")
            got = "" if isinstance(value, dict) else f" (got {_shown(value)})"
            return [f"{where}: {_wording(problem)}{got}"]


_EXAMPLES = {
    "input": ": name the file of rows, as in batchrun run rows.csv --workflow-id ID",
    "workflow_id": ": name the workflow that every row is sent to",
}


def _shown(value: object) -> str:
    """A value as a message may show it: short, and without a password in an address."""
    if isinstance(value, str):
        return _short(repr(re.sub(r"//[^/\s]*@", "//…@", value)))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date | time):
        return value.isoformat()
    return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:99]}…"


def _wording(problem: Mapping[str, Any]) -> str:
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
            return f"must be more than {limits['gt']:g}"
        case "greater_than_equal":
            return f"must be at least {limits['ge']:g}"
        case "less_than_equal":
            return f"must be at most {limits['le']:g}"
        case "literal_error":
            return f"expected {limits['expected'].replace(chr(39), '')}"
        case "dict_type":
            return "expected a table of names and values"
        case "list_type":
            return 'expected a list, such as ["a", "b"]'
        case _:
            message = str(problem["msg"]).removeprefix("Value error, ")
            return message[:1].lower() + message[1:]
