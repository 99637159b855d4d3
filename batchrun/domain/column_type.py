"""Finds one type that can hold all values of a column of JSON values. There is always one.

JSON has no columns, so the type is known only after all values have been seen. Strings, booleans, 64-bit integers and
doubles keep their types. A mix of integers and doubles becomes doubles, if no integer loses a digit. Any other mix
(nested values, longer integers, numbers beside strings) is written as JSON text. There, strings are in quotes, so that
`"7"` and `7` remain distinct.
"""

import math
from enum import StrEnum


class ColumnType(StrEnum):
    """A type that can hold all values of a column."""

    STRING = "string"
    BOOL = "bool"
    INT = "int"
    """64-bit integers."""
    FLOAT = "float"
    """Doubles."""
    JSON = "json"
    """JSON text."""


MAX_EXACT = 2**53
"""Up to this magnitude, a double represents every integer exactly."""


class CommonType:
    """Collects the values of one column, in any order, and finds a type that can hold them all."""

    def __init__(self) -> None:
        self._types: set[ColumnType] = set()
        self._exact = True

    def add(self, value: object) -> None:
        """Add one decoded JSON value. None is ignored, because every type can hold null."""
        match value:
            case None:
                return
            case bool():
                found = ColumnType.BOOL
            case str():
                found = ColumnType.STRING if _is_utf8(value) else ColumnType.JSON
            case int() if -(2**63) <= value < 2**63:
                found = ColumnType.INT
                self._exact &= -MAX_EXACT <= value <= MAX_EXACT
            case float() if math.isfinite(value):
                found = ColumnType.FLOAT
            case _:
                found = ColumnType.JSON
        self._types.add(found)

    @property
    def is_empty(self) -> bool:
        """Whether every value was null."""
        return not self._types

    @property
    def type(self) -> ColumnType:
        """The type of the values added so far; STRING if there are none."""
        match sorted(self._types):
            case []:
                return ColumnType.STRING
            case [one]:
                return one
            case [ColumnType.FLOAT, ColumnType.INT] if self._exact:
                return ColumnType.FLOAT
            case _:
                return ColumnType.JSON


def _is_utf8(value: str) -> bool:
    """Whether the string can be encoded as UTF-8. A lone surrogate can only be written as a JSON escape."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
