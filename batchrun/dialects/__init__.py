"""The dialects, one per workflow API: pure functions from a row to a request, and from an answer to its meaning.

To add a dialect, write a module with a class that implements `base.Dialect`, and add an entry here. `--api`, the
environment variables, the headers and the advice about a wrong `--api` follow from the entry.
"""

from collections.abc import Callable

from batchrun.dialects.base import Dialect
from batchrun.dialects.v1 import V1

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (V1(),)}
"""The dialects by their name in `--api`."""

DEFAULT = "v1"
"""The default of `--api`."""


def dialect_named(name: object) -> Dialect:
    """The dialect with this name; the default dialect if there is none."""
    return DIALECTS.get(str(name), DIALECTS[DEFAULT])


def of_each_dialect(fact: Callable[[Dialect], str]) -> str:
    """The fact that all dialects share, or each fact with the names of its dialects: `A (v1, open), B (studio)`."""
    names: dict[str, list[str]] = {}
    for name, dialect in DIALECTS.items():
        names.setdefault(fact(dialect), []).append(name)
    return next(iter(names)) if len(names) == 1 else ", ".join(f"{each} ({', '.join(names[each])})" for each in names)


__all__ = ["DEFAULT", "DIALECTS", "Dialect", "dialect_named", "of_each_dialect"]
