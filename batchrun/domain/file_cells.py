"""The cells of a file column: paths of local files, web addresses, null, or lists of these."""

import re
from collections.abc import Callable

import msgspec

from batchrun.domain.cells import ABSENT

_ADDRESS = re.compile(r"https?://", re.IGNORECASE)


def with_files(value: object, replace: Callable[[str], object]) -> object:
    """The value with `replace(path)` in place of each path. Null and addresses stay as they are.

    Raises ValueError if the value is, or holds, anything else.
    """
    if isinstance(value, msgspec.Raw):
        value = msgspec.json.decode(value)
    if value is None or value is ABSENT:
        return value
    if isinstance(value, list | tuple):
        return [with_files(item, replace) for item in value]
    if isinstance(value, str):
        return value if _ADDRESS.match(value) else replace(value)
    raise ValueError(f"{str(value)[:80]!r} is not the path of a file")


def paths_in(value: object) -> list[str]:
    """The paths of local files in the value. Raises ValueError as `with_files` does."""
    paths: list[str] = []
    with_files(value, paths.append)
    return paths
