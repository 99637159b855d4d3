"""Names of columns and inputs in messages."""

from collections.abc import Iterable

MAX_NAMES, MAX_NAME = 50, 200
"""Names that are listed, and characters of each; a file may have any number of columns, with names of any length."""


def name_list(names: Iterable[str]) -> str:
    """The names, separated by commas; a name that holds a comma, or blanks at its ends, is quoted."""
    every = [*names]
    shown = [shortened(name) for name in every[:MAX_NAMES]]
    quoted = ", ".join(name if name == name.strip() and name and "," not in name else repr(name) for name in shown)
    more = len(every) - len(shown)
    return f"{quoted} and {more:,} more" if more else quoted


def shortened(name: str) -> str:
    """A name as messages show it."""
    return name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…"
