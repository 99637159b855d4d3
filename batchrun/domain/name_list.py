"""Names of columns and inputs in messages."""

from collections.abc import Iterable


def name_list(names: Iterable[str]) -> str:
    """The names, separated by commas; a name that holds a comma, or blanks at its ends, is quoted."""
    return ", ".join(name if name == name.strip() and name and "," not in name else repr(name) for name in names)
