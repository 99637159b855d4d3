"""How the service is spoken to: pure functions from a row to a request and from an answer to its meaning.

To add a dialect, write a module with a class as `base.Dialect` has it, and an entry here. `--api`, the environment
variables, the headers and the advice on a wrong `--api` follow from the entry.
"""

from collections.abc import Callable

from batchrun.dialects.base import Dialect
from batchrun.dialects.v1 import V1

DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (V1(),)}
"""The dialects by the name that `--api` gives them."""

DEFAULT = "v1"
"""The one that is spoken unless `--api` names another."""


def dialect_named(name: object) -> Dialect:
    """The dialect of this name; the default one where there is none."""
    return DIALECTS.get(str(name), DIALECTS[DEFAULT])


def of_each_dialect(fact: Callable[[Dialect], str]) -> str:
    """A fact that all dialects share, or each fact with the names of its dialects: `A (v1, open), B (studio)`."""
    names: dict[str, list[str]] = {}
    for name, dialect in DIALECTS.items():
        names.setdefault(fact(dialect), []).append(name)
    return next(iter(names)) if len(names) == 1 else ", ".join(f"{told} ({', '.join(names[told])})" for told in names)


__all__ = ["DEFAULT", "DIALECTS", "Dialect", "dialect_named", "of_each_dialect"]
