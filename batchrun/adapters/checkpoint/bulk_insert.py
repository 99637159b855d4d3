"""Insert many rows with one SQL statement.

`executemany` runs one SQLite step per row. At each step the thread releases the GIL and must get it back from the
event loop, which costs more than the step itself. One statement with many rows is one step.
"""

import sqlite3
from collections.abc import Sequence
from functools import cache

SIZES = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Rows per statement. Few sizes, so that SQLite prepares each statement once; at most 32,766 values per statement."""


def write_many(db: sqlite3.Connection, statement: str, values: Sequence[object], width: int) -> None:
    """Execute `statement` for all `values`, with `width` values per row; `{}` in it stands for the rows."""
    done, left = 0, len(values)
    for size in SIZES:
        step = size * width
        while left >= step:
            db.execute(_for_rows(statement, size, width), values[done : done + step])
            done, left = done + step, left - step


@cache
def _for_rows(statement: str, rows: int, width: int) -> str:
    return statement.format(", ".join([f"({', '.join('?' * width)})"] * rows))
