"""The common interface of all formats of result files."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeAlias

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Target:
    """A file to be written. `path`: its final path, for messages.

    `json_columns`: columns whose text is JSON. `excel_safe`: texts that a spreadsheet would run get a prefix.
    """

    path: Path
    file: IO[bytes]
    schema: pa.Schema
    json_columns: frozenset[str] = frozenset()
    excel_safe: bool = False


Write: TypeAlias = Callable[[pa.RecordBatch], object]
"""Writes rows that have the schema of the target."""

Opener: TypeAlias = Callable[[Target], AbstractContextManager[Write]]
"""Opens a file. It is complete when the block ends without an error; memory is bounded, however many rows come."""
