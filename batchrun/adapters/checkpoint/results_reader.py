"""What the result files are written from: the rows that have ended, with their outputs."""

import sqlite3
from collections.abc import Collection, Iterator
from functools import partial
from typing import NamedTuple

from batchrun.adapters.checkpoint.reader import in_states
from batchrun.domain.states import ERROR_STATES, OUTPUT_STATES, State


class ResultRow(NamedTuple):
    """What either Parquet file has of one row, column by column: millions of them are written at a time.

    Completed rows have an `output`, JSON text; `reused_from` is the directory of the job that a row was taken over
    from.
    """

    row: int
    state: str
    run_id: str | None
    output: str | None
    status: str | None
    attempts: int
    polls: int
    submitted_at: int | None
    finished_at: int | None
    created_at: int | None
    updated_at: int | None
    error_kind: str | None
    error_code: str | None
    error_message: str | None
    http_status: int | None
    reused_from: str | None


_ENDED = ", ".join(
    {"output": "outputs.output", "reused_from": "reused.source"}.get(name, f"rows.{name}") for name in ResultRow._fields
)


def result_rows(
    db: sqlite3.Connection, states: Collection[State] = OUTPUT_STATES | ERROR_STATES, most: int | None = None
) -> Iterator[ResultRow]:
    """The rows of the two Parquet files, in input order, as of one moment.

    Only those in `states`, and only the first `most` of them.
    """
    cursor = db.execute(
        f"SELECT {_ENDED} FROM rows LEFT JOIN outputs ON outputs.row = rows.row "
        "LEFT JOIN reused ON reused.row = rows.row "
        f"WHERE {in_states(states)} ORDER BY rows.row LIMIT ?",
        (*states, -1 if most is None else most),
    )
    return map(partial(tuple.__new__, ResultRow), cursor)  # as ResultRow._make, but in a third of its time


def outputs(db: sqlite3.Connection) -> Iterator[str | None]:
    """The outputs of the completed rows, in input order, as of one moment."""
    cursor = db.execute(
        "SELECT outputs.output FROM rows JOIN outputs ON outputs.row = rows.row WHERE state = 'completed' "
        "ORDER BY rows.row"
    )
    for (output,) in cursor:
        yield output
