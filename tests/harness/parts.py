"""The parts of the harness, by name."""

from importlib import import_module
from typing import cast

from tests.harness.figures import Part

PARTS: dict[str, str] = {
    "simulation": "the engine in virtual time against a service with every fault at once",
    "workers": "the same on several workers, of which some die or are cut off",
    "power_cut": "the power is cut: every state in which the disk may be left",
    "damage": "a damaged checkpoint: every page, every bit of the headers, any length",
    "full_disk": "a disk that is full, read-only or broken",
    "kills": "SIGKILL at every point of every command, and at random moments of jobs",
    "worker_kills": "jobs on four nodes of a Ray cluster, of which workers, nodes or the driver are killed",
    "network": "jobs in which one row of five meets a fault of the network",
    "hostile_inputs": "hostile files as inputs: text, Parquet and Arrow, damaged, deep, wide, and bombs",
    "owners": "two commands on one run directory, and directories that are moved or copied",
    "secrets": "tokens, keys and passwords of proxies, sought in everything that jobs leave and show",
}
"""What each part tries, in the order of the table; a part is the module of the same name in this folder."""


def part(name: str) -> Part:
    """The part of this name."""
    return cast("Part", import_module(f"tests.harness.{name}"))
