"""A hostile file, and what must be said of it."""

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.harness.hostile.trial import MEMORY, SECONDS

WIDE = 10_000
"""Columns of a wide file."""


@dataclass(frozen=True, slots=True)
class Case:
    """A file. `name`: its name; `make`: its contents.

    `rows`: its rows, if it is read; None if it is refused, with a message that has the words `says` in this order.
    `unsent`: how many of the rows cannot be sent. `memory`, `seconds`: bounds of their own. `is_sent`: whether a job
    with it is tried.
    """

    name: str
    make: Callable[[], bytes]
    rows: int | None = None
    says: tuple[str, ...] = ()
    unsent: int = 0
    options: tuple[str, ...] = ()
    memory: int = MEMORY
    seconds: int = SECONDS
    is_sent: bool = True


def contents(content: bytes | str) -> Callable[[], bytes]:
    return lambda: content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")


def read(content: bytes | str, rows: int, *options: str, name: str = "rows.csv", unsent: int = 0) -> Case:
    return Case(name, contents(content), rows, options=options, unsent=unsent)


def refused(content: bytes | str, *says: str, name: str = "rows.csv", options: tuple[str, ...] = ()) -> Case:
    return Case(name, contents(content), None, says, options=options)


def lines(*values: object) -> str:
    """JSONL."""
    return "".join(f"{json.dumps(value)}\n" for value in values)
