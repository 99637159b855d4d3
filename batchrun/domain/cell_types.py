"""How `--type` converts a text cell. (Cells of type `json` are sent as written; dialects and adapters handle them.)"""

import math
import re
from collections.abc import Callable, Mapping

from batchrun.domain.cells import BadCell

_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "on", "t", "y", "1"), True),
    **dict.fromkeys(("false", "no", "off", "f", "n", "0"), False),
}
_INT = re.compile(r"\s*[+-]?[0-9]+\s*")
_FLOAT = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*")
_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d+,\d+\s*")


def read_int(text: str) -> int | BadCell:
    """A whole number of any length."""
    if not _INT.fullmatch(text):
        return BadCell(text, "a whole number")
    try:
        return int(text)
    except ValueError:  # Python refuses to convert thousands of digits
        return BadCell(text, "a whole number of reasonable length")


def read_float(text: str) -> float | BadCell:
    """A finite number."""
    value = float(text) if _FLOAT.fullmatch(text) else math.nan
    wanted = "a number with a decimal point" if _DECIMAL_COMMA.fullmatch(text) else "a finite number"
    return value if math.isfinite(value) else BadCell(text, wanted)


def read_bool(text: str) -> bool | BadCell:
    """True or false, in the spellings that people and programs use."""
    value = _BOOLEANS.get(text.strip().lower())
    return BadCell(text, "true or false (or yes, no, on, off, t, f, y, n, 1, 0)") if value is None else value


READERS: Mapping[str, Callable[[str], object]] = {
    "str": lambda text: text,
    "int": read_int,
    "float": read_float,
    "bool": read_bool,
}
"""The function that converts the text of a non-empty cell, by type name."""
