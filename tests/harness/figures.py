"""What a part of the harness has tried, and what went wrong.

A part is a module with

* `chunks(full: bool) -> Sequence[Chunk]`: what is to be tried, in pieces that can run at the same time in different
  processes; `full`: as much as for the published figures, else as much as fits into CI;
* `run(chunk: Chunk, folder: Path) -> Sequence[Figure]`: tries one piece in an empty folder.

A chunk is a tuple of plain values, so that it can be named in a test's id and sent to another process.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

Chunk = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """How often something was tried, and each time that a promise did not hold."""

    name: str
    """What was tried, for the published table; figures of the same name are added."""
    tried: int
    violations: list[str] = field(default_factory=list)
    """A line for each, with all that is needed to try it again."""
    note: str = ""
    """What else was counted, for the published table; the first one is taken."""


class NotPossibleError(Exception):
    """A piece cannot be tried on this machine. The text says why."""


class Part(Protocol):
    """See the head of this file."""

    def chunks(self, full: bool) -> Sequence[Chunk]:
        """What is to be tried."""
        ...

    def run(self, chunk: Chunk, folder: Path) -> Sequence[Figure]:
        """Try it. Raises `NotPossibleError` if this machine lacks what it takes."""
        ...


def added(figures: Iterable[Figure]) -> list[Figure]:
    """One figure for each name, in the order in which the names come first."""
    found: dict[str, Figure] = {}
    for one in figures:
        before = found.get(one.name, Figure(one.name, 0))
        found[one.name] = Figure(
            one.name, before.tried + one.tried, before.violations + one.violations, before.note or one.note
        )
    return [*found.values()]
