"""Queries for the report: all rows in one pass, and the details of a few."""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from batchrun.adapters.checkpoint import intents
from batchrun.adapters.checkpoint.damage import decoding


class ReportRow(NamedTuple):
    """What a report uses of each row. Times are UTC milliseconds."""

    row: int
    state: str
    attempts: int
    polls: int
    run_polls: int
    run_id: str | None
    intent_at: int | None
    submitted_at: int | None
    accepted_at: int | None
    finished_at: int | None
    created_at: int | None
    updated_at: int | None
    error_kind: str | None
    error_code: str | None
    error_message: str | None
    http_status: int | None


def report_rows(db: sqlite3.Connection) -> Iterator[ReportRow]:
    """All recorded rows, in input order, from one snapshot."""
    cursor = db.execute(
        f"SELECT {', '.join(ReportRow._fields)} FROM rows "
        f"UNION ALL {intents.select_rows(ReportRow._fields)} ORDER BY row"
    )
    with decoding():
        yield from map(ReportRow._make, cursor)


def references(db: sqlite3.Connection, rows: Iterable[int]) -> dict[int, tuple[str | None, str | None]]:
    """The log id and the debug link of these rows, as far as they have any."""
    found = {}
    for row in rows:
        values = db.execute("SELECT log_id, debug_url FROM run_details WHERE row = ?", (row,)).fetchone()
        if values is not None:
            found[row] = (values[0], values[1])
    return found
