"""The kinds of scorers: how each compares a value from an output with its target.

A comparison returns a score, or raises `CannotScoreError` if there is no telling.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from math import isfinite
from numbers import Real

import msgspec

from batchrun.nesting import MAX_COMPARED, is_too_deep
from batchrun.outputs.json_values import decode, json_text
from batchrun.scoring.token_f1 import token_f1


class CannotScoreError(ValueError):
    """The scorer fails for this row, which is missing then. The message says why."""


Compare = Callable[[object, object], float]
"""Of a value that is not null and a target that is not null."""


def text_of(value: object) -> str:
    """A text as it is; other values by their JSON text. So the number 0.9 is the same as the text "0.9"."""
    if isinstance(value, str):
        return value
    text = json_text(value)
    if text is None:
        raise CannotScoreError(f"a {type(value).__name__} has no JSON text")
    return str(decode(text)) if text.startswith('"') else text  # times and decimals become texts


def _of_texts(compare: Callable[[str, str], float]) -> Callable[[float], Compare]:
    return lambda _tolerance: lambda value, target: float(compare(text_of(value), text_of(target)))


def _search(value: str, pattern: str) -> bool:
    try:
        return re.search(pattern, value) is not None
    except (re.error, RecursionError, OverflowError) as error:
        raise CannotScoreError(f"the target {pattern!r} is not a regular expression: {error}") from None


def _close(relative: float) -> Compare:
    tolerance = Decimal(str(relative))

    def compare(value: object, target: object) -> float:
        wanted = _decimal(target)
        if wanted is None:
            raise CannotScoreError(f"the target {text_of(target)!r} is not a number")
        found = _decimal(value)
        try:
            return float(found is not None and abs(found - wanted) <= tolerance * abs(wanted))
        except ArithmeticError:  # numbers beyond 10^999999
            return float(found == wanted)

    return compare


def _decimal(value: object) -> Decimal | None:
    """The number as it is written, in decimal digits: in binary ones, 1.01 is more than 1 % above 1."""
    try:
        number = Decimal(text_of(value).strip())
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _same_json(value: object, target: object) -> float:
    return float(_equal(_parsed(value), _parsed(target)))


def _parsed(value: object) -> object:
    """The JSON value. Text that is JSON is what it stands for, because cells and answers of models are text."""
    text = text_of(value)
    try:
        return value if is_too_deep(text, MAX_COMPARED) else decode(text)
    except (ValueError, RecursionError):
        return value


def _equal(one: object, other: object) -> bool:
    """Equality of JSON: `true` is no number, and 1 is 1.0."""
    match one, other:
        case (dict(), dict()):
            return one.keys() == other.keys() and all(map(_equal, one.values(), map(other.__getitem__, one)))
        case (list(), list()):
            return len(one) == len(other) and all(map(_equal, one, other))
        case (msgspec.Raw(), _) | (_, msgspec.Raw()):  # a number that Python cannot represent
            return text_of(one) == text_of(other)
        case _:
            return isinstance(one, bool) == isinstance(other, bool) and one == other


COMPARISONS: Mapping[str, Callable[[float], Compare]] = {
    "exact": _of_texts(lambda value, target: value == target),
    "iexact": _of_texts(lambda value, target: value.strip().casefold() == target.strip().casefold()),
    "contains": _of_texts(lambda value, target: target in value),
    "regex": _of_texts(_search),
    "number": _close,
    "json": lambda _tolerance: _same_json,
    "f1": _of_texts(token_f1),
}
"""The kinds that compare with a target, given the tolerance of `number`."""

VALUE, PYTHON = "value", "python"
"""The kinds that have no such target."""

KINDS = (*COMPARISONS, VALUE, PYTHON)


def own_number(value: object) -> float:
    """The score of kind `value`: a number from 0 to 1, or a boolean."""
    if not isinstance(value, int | float):
        hint = ". Use to_number(…) for a number in a text" if isinstance(value, str) else ""
        raise CannotScoreError(f"{_short(value)} is neither a number nor a boolean{hint}")
    if not 0 <= value <= 1:
        raise CannotScoreError(f"{_short(value)} is not between 0 and 1")
    return float(value)


def any_number(value: object) -> float:
    """The score that a function of Python returned."""
    if hasattr(value, "item"):  # a scalar of numpy or of a library like it
        value = value.item()
    if not isinstance(value, Real | Decimal):
        raise CannotScoreError(f"the function returned {_short(value)}, which is neither a number nor a boolean")
    try:
        number = float(value)
    except OverflowError:
        number = float("inf")
    if not isfinite(number):
        raise CannotScoreError(f"the function returned {_short(value)}, which is not finite")
    return number


def _short(value: object) -> str:
    return shortened(repr(value), 60)


def shortened(text: str, size: int) -> str:
    """The first `size` characters of a text that is longer."""
    return text if len(text) <= size else text[: size - 1] + "…"
