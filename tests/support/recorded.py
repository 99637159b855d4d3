"""Answers of services, one file each, as in their documentation or in public reports of users.

Identifiers are masked, and messages are shortened. An answer that is nowhere shown completely is composed of the
documented fields.
"""

from pathlib import Path

_FOLDER = Path(__file__).parents[1] / "recorded"


def recorded(api: str, name: str) -> bytes:
    """The body of an answer."""
    return (_FOLDER / api / f"{name}.json").read_bytes()


def all_recorded(api: str) -> list[bytes]:
    """The bodies of all answers of an API, in the order of their names."""
    return [path.read_bytes() for path in sorted((_FOLDER / api).glob("*.json"))]
