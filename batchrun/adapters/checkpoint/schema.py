"""The tables of `checkpoint.db`.

`transitions` is the table of a row's life (`domain.states`) written into the database, and triggers hold every change
of a row to it. Rows that were never touched are not stored; a row that is inserted comes from `queued`. Outputs have a
table of their own, so that looking for what is due does not read them.

Each version adds to the one before: an old checkpoint is upgraded by the statements that were added since, a new one
is created by all of them. `transitions` is then filled with the present table.

A run that is polled needs its `run_id`. One that ended in the answer of its POST does not, and services that name none
exist; its result is there and paid for all the same, so since version 3 a completed row that was never polled may be
without.

Since version 5 events, tables and columns have the names that the code uses; what was recorded under the earlier names
is renamed.

Of ten million rows most are completed, and no command may have to look at them before its first request. Since
version 4 one index has all the others, with what is counted of them; and how many rows there are at all follows from
`meta.touched` (`checkpoint_reader.touched_prefix`).
"""

from batchrun.domain.states import State, cells

APPLICATION_ID = 0x62617463  # "batc"
VERSION = 5
VERSION_WITH_REUSE_KEYS = 5
"""The first version in which the table `reuse_keys` has that name."""

ROW_COLUMNS = (
    "row", "state", "event", "attempts", "tries", "polls", "run_polls", "run_id", "status", "not_before", "intent_at",
    "submitted_at", "accepted_at", "finished_at", "created_at", "updated_at",
    "error_kind", "error_code", "error_message", "http_status",
)  # fmt: skip

NOT_COMPLETED = "state <> 'completed'"
"""SQLite takes the index of these rows only where a query asks for them in so many words."""


def _rows(name: str, nameless: str) -> str:
    """The table of the rows; `nameless`: where a row needs no `run_id`."""
    return f"""
CREATE TABLE {name} (
    row INTEGER PRIMARY KEY CHECK (row >= 0),
    state TEXT NOT NULL CHECK (state IN ({", ".join(f"'{state}'" for state in State)})),
    event TEXT NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    polls INTEGER NOT NULL,
    run_polls INTEGER NOT NULL,
    run_id TEXT CHECK (run_id IS NOT NULL OR {nameless}),
    status TEXT,
    not_before INTEGER,
    intent_at INTEGER,
    submitted_at INTEGER,
    accepted_at INTEGER,
    finished_at INTEGER,
    created_at INTEGER,
    updated_at INTEGER,
    error_kind TEXT,
    error_code TEXT,
    error_message TEXT,
    http_status INTEGER
) STRICT;
"""


_NOT_ACCEPTED = "state NOT IN ('running', 'completed', 'timed_out')"

_INDEX_OF_LIVE = (
    "CREATE INDEX rows_live ON rows (state, row) "
    "WHERE state IN ('in_doubt', 'queued', 'running', 'submitting', 'timed_out');"
)

_TRIGGERS_TO_4 = """
CREATE TRIGGER rows_begin_as_queued AFTER INSERT ON rows
WHEN NOT EXISTS (SELECT 1 FROM life WHERE state = 'queued' AND event = NEW.event AND becomes = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;

CREATE TRIGGER rows_obey_life BEFORE UPDATE ON rows
WHEN NOT EXISTS (SELECT 1 FROM life WHERE state = OLD.state AND event = NEW.event AND becomes = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;

CREATE TRIGGER rows_stay BEFORE DELETE ON rows
BEGIN SELECT RAISE(ABORT, 'a row is never forgotten'); END;
"""

_FIRST = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    id INTEGER PRIMARY KEY,
    started_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    ended_at INTEGER,
    exit_code INTEGER,
    version TEXT NOT NULL,
    submissions INTEGER NOT NULL DEFAULT 0,
    polls INTEGER NOT NULL DEFAULT 0,
    throttled INTEGER NOT NULL DEFAULT 0,
    elapsed_s REAL NOT NULL DEFAULT 0,
    changes INTEGER NOT NULL DEFAULT 0,
    ended_before INTEGER NOT NULL
) STRICT;

CREATE TABLE life (
    state TEXT NOT NULL, event TEXT NOT NULL, becomes TEXT NOT NULL, PRIMARY KEY (state, event, becomes)
) STRICT, WITHOUT ROWID;

{_rows("rows", _NOT_ACCEPTED)}
CREATE UNIQUE INDEX rows_by_run ON rows (run_id) WHERE run_id IS NOT NULL;
{_INDEX_OF_LIVE}

CREATE TABLE outputs (row INTEGER PRIMARY KEY, output TEXT) STRICT;

{_TRIGGERS_TO_4}"""

TABLES_OF_2 = """
CREATE TABLE marks (row INTEGER PRIMARY KEY, mark BLOB NOT NULL) STRICT;
CREATE TABLE reused (row INTEGER PRIMARY KEY, source TEXT NOT NULL) STRICT;
"""
"""What rows with a key are recognised by in a later job, and the earlier jobs that rows were taken over from."""

# A run that was taken over was never meant to be sent by this job: a simulator that starts anew may give its id again.
_INDEX_BY_RUN = "CREATE UNIQUE INDEX rows_by_run ON rows (run_id) WHERE run_id IS NOT NULL AND intent_at IS NOT NULL;"

_SECOND = f"""{TABLES_OF_2}
DROP INDEX rows_by_run;
{_INDEX_BY_RUN}
"""

# SQLite cannot change a CHECK: the rows move into another table, and the old one takes its indexes and triggers along.
_THIRD = f"""{_rows("rows_of_3", f"{_NOT_ACCEPTED} OR (state = 'completed' AND run_polls = 0)")}
INSERT INTO rows_of_3 SELECT * FROM rows;
DROP TABLE rows;
ALTER TABLE rows_of_3 RENAME TO rows;
{_INDEX_BY_RUN}
{_INDEX_OF_LIVE}
{_TRIGGERS_TO_4}
"""

_FOURTH = f"""
DROP INDEX rows_live;
CREATE INDEX rows_open ON rows (state, row, error_kind) WHERE {NOT_COMPLETED};
"""

_RENAMED_EVENTS = {
    "not_the_rows_fault": "refunded",
    "sent_no_proof": "unconfirmed",
    "finished_ok": "run_completed",
    "finished_bad": "run_failed",
    "restarted": "found_after_restart",
}

_FIFTH = f"""
DROP TRIGGER rows_begin_as_queued;
DROP TRIGGER rows_obey_life;
DROP TRIGGER rows_stay;
DROP TABLE life;

UPDATE rows SET event = CASE event
    {" ".join(f"WHEN '{old}' THEN '{new}'" for old, new in _RENAMED_EVENTS.items())} ELSE event END
WHERE event IN ({", ".join(f"'{old}'" for old in _RENAMED_EVENTS)});

ALTER TABLE marks RENAME TO reuse_keys;
ALTER TABLE reuse_keys RENAME COLUMN mark TO reuse_key;

CREATE TABLE transitions (
    state TEXT NOT NULL, event TEXT NOT NULL, next_state TEXT NOT NULL, PRIMARY KEY (state, event, next_state)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER rows_start_as_queued AFTER INSERT ON rows
WHEN NOT EXISTS (SELECT 1 FROM transitions WHERE state = 'queued' AND event = NEW.event AND next_state = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;

CREATE TRIGGER rows_follow_transitions BEFORE UPDATE ON rows
WHEN NOT EXISTS (SELECT 1 FROM transitions WHERE state = OLD.state AND event = NEW.event AND next_state = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;

CREATE TRIGGER rows_are_kept BEFORE DELETE ON rows
BEGIN SELECT RAISE(ABORT, 'a row is never deleted'); END;
"""

VIEW_OF_REUSE_KEYS = "CREATE TEMP VIEW reuse_keys AS SELECT row, mark AS reuse_key FROM marks"
"""What a reader needs to read a version before 5."""

UPGRADES = (_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH)
"""By the version from which they lead to the next."""

TRANSITIONS = [(str(state), str(event), str(next_state)) for state, event, next_state in cells()]

_SET = ", ".join(f"{column} = excluded.{column}" for column in ROW_COLUMNS[1:])

UPSERT = f"INSERT INTO rows ({', '.join(ROW_COLUMNS)}) VALUES {{}} ON CONFLICT (row) DO UPDATE SET {_SET}"

UPSERT_OUTPUT = "INSERT INTO outputs (row, output) VALUES {} ON CONFLICT (row) DO NOTHING"

INSERT_REUSE_KEY = "INSERT INTO reuse_keys (row, reuse_key) VALUES {} ON CONFLICT (row) DO NOTHING"

INSERT_REUSED = "INSERT INTO reused (row, source) VALUES {}"

UPSERT_META = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
