"""Queries for the result files: rows that have ended, with their outputs."""

import sqlite3
from collections import namedtuple
from collections.abc import Collection, Iterator
from functools import partial
from typing import NamedTuple, cast

from batchrun.adapters.checkpoint.reader import in_states
from batchrun.adapters.checkpoint.schema import DETAIL_COLUMNS
from batchrun.domain.states import ERROR_STATES, OUTPUT_STATES, State


class ResultRow(NamedTuple):
    """The values of one row in either Parquet file. A tuple, because a job may have millions of them.

    `output` is the JSON text of a completed row. `reused_from` is the directory of the job whose result was reused.
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


_DETAILS = DETAIL_COLUMNS[1:]

DetailedRow = cast("type[ResultRow]", namedtuple("DetailedRow", (*ResultRow._fields, *_DETAILS)))
"""A `ResultRow` with further fields for the details of its run.

It is another type because most services report no details, and reading nulls for millions of rows takes time.
"""

# Every completed row has a record in `outputs`, if only with null. Without one, `json` fails: see `damage_of`.
_OUTPUT = "CASE WHEN outputs.row IS NULL AND rows.state = 'completed' THEN json('') ELSE outputs.output END"

_SOURCES = {"output": _OUTPUT, "reused_from": "reused.source"} | {name: f"run_details.{name}" for name in _DETAILS}


def result_rows(
    db: sqlite3.Connection,
    states: Collection[State] = OUTPUT_STATES | ERROR_STATES,
    most: int | None = None,
    *,
    details: bool = False,
) -> Iterator[ResultRow]:
    """The rows for the Parquet files that are in `states`, in input order, from one snapshot; at most `most` rows.

    `details`: whether each is a `DetailedRow`.
    """
    row_type = DetailedRow if details else ResultRow
    columns = ", ".join(_SOURCES.get(name, f"rows.{name}") for name in row_type._fields)
    cursor = db.execute(
        f"SELECT {columns} FROM rows LEFT JOIN outputs ON outputs.row = rows.row "
        "LEFT JOIN reused ON reused.row = rows.row "
        f"{'LEFT JOIN run_details ON run_details.row = rows.row' if details else ''} "
        f"WHERE {in_states(states)} ORDER BY rows.row LIMIT ?",
        (*states, -1 if most is None else most),
    )
    # The same as `row_type._make`, but without a call of Python code per row.
    return map(partial(tuple.__new__, row_type), cursor)


def output_of(db: sqlite3.Connection, row: int) -> tuple[str | None, str | None]:
    """The run_id and the output of a row; None where it has none."""
    found = db.execute(
        "SELECT rows.run_id, outputs.output FROM rows LEFT JOIN outputs ON outputs.row = rows.row WHERE rows.row = ?",
        (row,),
    ).fetchone()
    return (None, None) if found is None else (found[0], found[1])


def run_figures(db: sqlite3.Connection) -> Iterator[tuple[int, int | None, int | None]]:
    """Of each completed row: its number, the milliseconds of its run by the clock of the service, and its tokens."""
    yield from db.execute(
        "SELECT rows.row, updated_at - created_at, total_tokens FROM rows "
        "LEFT JOIN run_details ON run_details.row = rows.row WHERE state = 'completed' ORDER BY rows.row"
    )


def outputs(db: sqlite3.Connection) -> Iterator[str | None]:
    """The outputs of the completed rows, in input order, from one snapshot."""
    cursor = db.execute(
        "SELECT outputs.output FROM rows JOIN outputs ON outputs.row = rows.row WHERE state = 'completed' "
        "ORDER BY rows.row"
    )
    for (output,) in cursor:
        yield output
