"""The parts of the harness, by name."""

import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

from tests.harness.figures import Chunk, Figure, Part

PARTS: dict[str, str] = {
    "simulation": "the engine in virtual time against a service with every fault at once",
    "power_cut": "the power is cut: every state in which the disk may be left",
    "kills": "SIGKILL at every point of every command, and at random moments of jobs",
    "network": "jobs in which one row of five meets a fault of the network",
}
"""What each part tries, in the order of the table; a part is the module of the same name in this folder."""


def part(name: str) -> Part:
    """The part of this name."""
    return cast("Part", import_module(f"tests.harness.{name}"))


def in_a_folder(name: str, chunk: Chunk) -> Sequence[Figure]:
    """Try one piece in a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        return part(name).run(chunk, Path(folder))
