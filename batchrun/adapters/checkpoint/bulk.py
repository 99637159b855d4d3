"""Many rows in one statement.

`executemany` takes a step of SQLite for each row, and at each step the thread gives up the interpreter's lock and has
to win it back from the event loop, which costs more than the step itself. A statement of many rows is one step.
"""

import sqlite3
from collections.abc import Sequence
from functools import cache

SIZES = (256, 128, 64, 32, 16, 8, 4, 2, 1)
"""Rows of one statement; few sizes, so that each is prepared once (SQLite takes 32,766 values at once)."""


def write_many(db: sqlite3.Connection, statement: str, values: Sequence[object], width: int) -> None:
    """Execute `statement`, which has `{}` for its rows, with all the `values`, `width` of them a row."""
    done, left = 0, len(values)
    for size in SIZES:
        step = size * width
        while left >= step:
            db.execute(_for_rows(statement, size, width), values[done : done + step])
            done, left = done + step, left - step


@cache
def _for_rows(statement: str, rows: int, width: int) -> str:
    return statement.format(", ".join([f"({', '.join('?' * width)})"] * rows))
