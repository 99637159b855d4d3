"""The first intents of rows, which have a table of their own.

A row is in `intents` from its first intent until its next event is recorded in `rows`: a trigger removes it then, in
the same statement, so that a row is in one of the two tables. The table stays as small as what is in flight. To append
an intent and remove it takes less time than to insert a row with its indexes, and to update both.

A later intent of a row changes its record in `rows`, by another trigger. So whoever records an intent need not know
whether it is the first one.
"""

import sqlite3

from batchrun.adapters.checkpoint.bulk_insert import VALUES
from batchrun.adapters.checkpoint.damage import decoding
from batchrun.adapters.checkpoint.schema import DETAIL_COLUMNS, INTENT_COLUMNS, ROW_COLUMNS
from batchrun.domain.answers import RunDetails
from batchrun.domain.row import Row
from batchrun.domain.states import Event, State

TABLE = """
CREATE TABLE intents (
    row INTEGER PRIMARY KEY CHECK (row >= 0),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    polls INTEGER NOT NULL,
    run_polls INTEGER NOT NULL,
    intent_at INTEGER
) STRICT;
"""


def _values(prefix: str = "") -> dict[str, str]:
    """The record of a row after an intent, by column, as SQL."""
    given = {name: f"{prefix}{name}" for name in INTENT_COLUMNS}
    given |= {"state": f"'{State.SUBMITTING}'", "event": f"'{Event.SUBMIT_STARTED}'"}
    return {name: given.get(name, "NULL") for name in ROW_COLUMNS}


_AS_RECORD = ", ".join(f"{name} = {value}" for name, value in _values("NEW.").items() if name != "row")

INTENTS = f"""{TABLE}
CREATE TRIGGER intents_of_recorded_rows BEFORE INSERT ON intents
WHEN EXISTS (SELECT 1 FROM rows WHERE row = NEW.row)
BEGIN
    UPDATE rows SET {_AS_RECORD} WHERE row = NEW.row;
    SELECT RAISE(IGNORE);
END;

CREATE TRIGGER intents_do_not_change BEFORE UPDATE ON intents
BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;

CREATE TRIGGER intents_are_kept BEFORE DELETE ON intents
WHEN NOT EXISTS (SELECT 1 FROM rows WHERE row = OLD.row)
BEGIN SELECT RAISE(ABORT, 'a row is never deleted'); END;

DROP TRIGGER rows_start_as_queued;
CREATE TRIGGER rows_start_as_queued_or_submitting AFTER INSERT ON rows
BEGIN
    SELECT RAISE(ABORT, 'illegal transition') WHERE NOT EXISTS (
        SELECT 1 FROM transitions WHERE event = NEW.event AND next_state = NEW.state
        AND state = CASE WHEN EXISTS (SELECT 1 FROM intents WHERE row = NEW.row) THEN 'submitting' ELSE 'queued' END
    );
    DELETE FROM intents WHERE row = NEW.row;
END;
"""
"""What version 10 adds to the tables of version 9."""

# The update is refused: a row that is being submitted is not submitted again.
INSERT_INTENT = (
    f"INSERT INTO intents ({', '.join(INTENT_COLUMNS)}) {VALUES} ON CONFLICT (row) DO UPDATE SET row = excluded.row"
)


def select_rows(columns: tuple[str, ...]) -> str:
    """The query for these columns of the records that the rows in `intents` would have in `rows`."""
    values = _values()
    return f"SELECT {', '.join(values[name] for name in columns)} FROM intents"


def begun(db: sqlite3.Connection, first: int = 0, last: int | None = None) -> list[Row]:
    """The rows from `first` to `last` in the table, in input order."""
    found = db.execute(_BEGUN, (first, (1 << 63) - 1 if last is None else last))
    with decoding():
        return [
            Row(
                row, State.SUBMITTING, attempts, tries, polls, run_polls, intent_at=intent_at,
                details=None if detailed is None else RunDetails(*details),
            )
            for row, attempts, tries, polls, run_polls, intent_at, detailed, *details in found
        ]  # fmt: skip


_BEGUN = (
    f"SELECT {', '.join(f'intents.{name}' for name in INTENT_COLUMNS)}, "
    f"{', '.join(f'run_details.{name}' for name in DETAIL_COLUMNS)} "
    "FROM intents LEFT JOIN run_details ON run_details.row = intents.row "
    "WHERE intents.row BETWEEN ? AND ? ORDER BY intents.row"
)


def count(db: sqlite3.Connection, condition: str = "true", *values: int) -> int:
    """The number of rows in the table that meet a condition in SQL."""
    return int(db.execute(f"SELECT count(*) FROM intents WHERE {condition}", values).fetchone()[0])
