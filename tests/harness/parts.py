"""The parts of the harness, by name."""

from importlib import import_module
from typing import cast

from tests.harness.figures import Part

PARTS: dict[str, str] = {
    "simulation": "the engine in virtual time against a service with every fault at once",
}
"""What each part tries, in the order of the table; a part is the module of the same name in this folder."""


def part(name: str) -> Part:
    """The part of this name."""
    return cast("Part", import_module(f"tests.harness.{name}"))
