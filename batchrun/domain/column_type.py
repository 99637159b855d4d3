"""One type for a column whose values are JSON: agreed over all of them, and never an error.

JSON has no columns, so what a column of it holds is only known when all its values were seen. Strings, booleans,
integers of 64 bits and doubles keep their own types; integers among doubles become doubles where none loses a digit.
Whatever else comes together (nested values, longer integers, a number here and a string there) is written as JSON
text, which can hold it all: then a string stands in quotes, so that `"7"` and `7` stay two things.
"""

import math
from enum import StrEnum


class ColumnType(StrEnum):
    """What the values of a column can all be written as."""

    STRING = "string"
    BOOL = "bool"
    INT = "int"
    """Integers of 64 bits."""
    FLOAT = "float"
    """Doubles."""
    JSON = "json"
    """JSON text."""


EXACT = 2**53
"""Up to here every integer has a double of its own."""


class CommonType:
    """Sees the values of one column, in any order, and says what they can all be written as."""

    def __init__(self) -> None:
        self._types: set[ColumnType] = set()
        self._exact = True

    def add(self, value: object) -> None:
        """Take one value as JSON decodes it; None says nothing."""
        match value:
            case None:
                return
            case bool():
                found = ColumnType.BOOL
            case str():
                found = ColumnType.STRING if _has_text(value) else ColumnType.JSON
            case int() if -(2**63) <= value < 2**63:
                found = ColumnType.INT
                self._exact &= -EXACT <= value <= EXACT
            case float() if math.isfinite(value):
                found = ColumnType.FLOAT
            case _:
                found = ColumnType.JSON
        self._types.add(found)

    @property
    def type(self) -> ColumnType:
        """The type of the column so far; of no values at all it is text."""
        match sorted(self._types):
            case []:
                return ColumnType.STRING
            case [one]:
                return one
            case [ColumnType.FLOAT, ColumnType.INT] if self._exact:
                return ColumnType.FLOAT
            case _:
                return ColumnType.JSON


def _has_text(value: str) -> bool:
    """Whether the string can be written as UTF-8: one with half a surrogate pair can only stand as an escape."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
