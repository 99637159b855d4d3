"""Insert many rows with one SQL statement.

`executemany` runs one SQLite step per row. At each step the thread releases the GIL and must get it back from the
event loop, which takes some milliseconds while the loop is busy. One statement with many rows is one step.
"""

import sqlite3
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache

SIZES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Rows per statement. Few sizes, so that SQLite prepares each statement once; at most 32,766 values per statement. What
is left is filled up with nulls: to bind them takes less time than another statement."""

VALUES = "SELECT * FROM (VALUES {}) WHERE column1 IS NOT NULL"
"""The rows to insert, in a statement for `write_many`. Their first column is not null, unless they fill up."""


def write_many(db: sqlite3.Connection, statement: str, values: Sequence[object], width: int) -> None:
    """Execute `statement`, which has `VALUES` in it, for all `values`, with `width` values per row."""
    step = SIZES[-1] * width
    for start in range(0, len(values), step):
        part = values[start : start + step]
        size = SIZES[bisect_left(SIZES, len(part) // width)]
        db.execute(_for_rows(statement, size, width), (*part, *(None,) * (size * width - len(part))))


@cache
def _for_rows(statement: str, rows: int, width: int) -> str:
    return statement.format(", ".join([f"({', '.join('?' * width)})"] * rows))
