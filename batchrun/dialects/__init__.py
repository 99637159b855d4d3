"""The dialects, one per workflow API: pure functions from a row to a request, and from an answer to its meaning.

To add a dialect, write a module with a subclass of `base.Dialect`, and add an entry here. `--api`, the
environment variables, the headers and the advice about a wrong `--api` follow from the entry.
"""

from collections.abc import Callable

from batchrun.dialects.base import Dialect
from batchrun.dialects.open import Open
from batchrun.dialects.studio import Studio
from batchrun.dialects.v1 import V1

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (V1(), Open(), Studio())}
"""The dialects by their name in `--api`."""

AUTO = "auto"
"""The default of `--api`: one request before the first POST finds out which dialect the service speaks."""

UNSETTLED = "v1"
"""The dialect whose address and variables count while the one of the service is not known."""


def dialect_named(name: object) -> Dialect:
    """The dialect with this name; `UNSETTLED` for `auto` and for names that are none."""
    return DIALECTS.get(str(name), DIALECTS[UNSETTLED])


def of_each_dialect(fact: Callable[[Dialect], str]) -> str:
    """The fact that all dialects share, or each fact with the names of its dialects: `A (v1, open), B (studio)`."""
    names: dict[str, list[str]] = {}
    for name, dialect in DIALECTS.items():
        names.setdefault(fact(dialect), []).append(name)
    return next(iter(names)) if len(names) == 1 else ", ".join(f"{each} ({', '.join(names[each])})" for each in names)


__all__ = ["AUTO", "DIALECTS", "UNSETTLED", "Dialect", "dialect_named", "of_each_dialect"]
