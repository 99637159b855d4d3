"""The statements that create and upgrade the tables of `checkpoint.db`; `schema` says what they are for.

Each version adds statements to the previous one. A new checkpoint executes all of them, and an old one only those that
it lacks. Both then fill `transitions` from the code.

Version 2 adds the reuse keys, and the jobs whose results were reused.

Version 3 allows a completed row without a `run_id` if its run was never polled. Some services return a synchronous
result without naming the run, and that result is paid for.

Version 4 has one index of all rows that are not completed, with the columns that are counted. Commands can then start
without reading the completed rows, which are most of a large job. The number of recorded rows comes from
`meta.touched` (`reader.touched_prefix`).

Version 5 uses the names of the code for events, tables and columns, and renames the recorded ones.

Version 6 adds what some services report about a run besides its state. A row has a record in `run_details` only if the
service reported something about one of its runs. A new attempt clears that record. Triggers add the tokens of each run
to `token_totals` in the transaction that records them, so that each run is counted once, even if the process is killed.
The tokens of earlier attempts stay counted, because they were paid for.

Version 7 records which version of the workflow each session met, and the references of uploaded files.

Version 8 records what happened in each session over time, in a bounded number of intervals (`domain.time_series`).

Version 9 has the transitions `adopted` and `held`.

Version 10 has the first intents of rows in a table of their own (`intents`).
"""

import re

from batchrun.adapters.checkpoint.intents import INTENTS
from batchrun.adapters.checkpoint.schema import NOT_COMPLETED, TOKEN_COLUMNS
from batchrun.domain.states import State


def _create_rows(name: str, no_run_id_if: str) -> str:
    """The statement that creates the table of rows. `no_run_id_if`: SQL condition under which `run_id` may be null."""
    return f"""
CREATE TABLE {name} (
    row INTEGER PRIMARY KEY CHECK (row >= 0),
    state TEXT NOT NULL CHECK (state IN ({", ".join(f"'{state}'" for state in State)})),
    event TEXT NOT NULL,
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    tries INTEGER NOT NULL CHECK (tries >= 0),
    polls INTEGER NOT NULL,
    run_polls INTEGER NOT NULL,
    run_id TEXT CHECK (run_id IS NOT NULL OR {no_run_id_if}),
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

_INDEX_BEFORE_4 = (
    "CREATE INDEX rows_live ON rows (state, row) "
    "WHERE state IN ('in_doubt', 'queued', 'running', 'submitting', 'timed_out');"
)

_TRIGGERS_BEFORE_5 = """
CREATE TRIGGER rows_begin_as_queued AFTER INSERT ON rows
WHEN NOT EXISTS (SELECT 1 FROM life WHERE state = 'queued' AND event = NEW.event AND becomes = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;

CREATE TRIGGER rows_obey_life BEFORE UPDATE ON rows
WHEN NOT EXISTS (SELECT 1 FROM life WHERE state = OLD.state AND event = NEW.event AND becomes = NEW.state)
BEGIN SELECT RAISE(ABORT, 'illegal transition'); END;

CREATE TRIGGER rows_stay BEFORE DELETE ON rows
BEGIN SELECT RAISE(ABORT, 'a row is never forgotten'); END;
"""

_VERSION_1 = f"""
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

{_create_rows("rows", _NOT_ACCEPTED)}
CREATE UNIQUE INDEX rows_by_run ON rows (run_id) WHERE run_id IS NOT NULL;
{_INDEX_BEFORE_4}

CREATE TABLE outputs (row INTEGER PRIMARY KEY, output TEXT) STRICT;

{_TRIGGERS_BEFORE_5}"""

TABLES_SINCE_2 = """
CREATE TABLE marks (row INTEGER PRIMARY KEY, mark BLOB NOT NULL) STRICT;
CREATE TABLE reused (row INTEGER PRIMARY KEY, source TEXT NOT NULL) STRICT;
"""
"""The reuse keys of rows, by which a later job finds them, and the earlier jobs whose results were reused."""

# Reused runs (no `intent_at`) are excluded, because a restarted simulator may assign their ids again.
_INDEX_BY_RUN = "CREATE UNIQUE INDEX rows_by_run ON rows (run_id) WHERE run_id IS NOT NULL AND intent_at IS NOT NULL;"

_VERSION_2 = f"""{TABLES_SINCE_2}
DROP INDEX rows_by_run;
{_INDEX_BY_RUN}
"""

# SQLite cannot alter a CHECK constraint, so the rows move to a new table. DROP TABLE also drops indexes and triggers.
_VERSION_3 = f"""{_create_rows("rows_of_3", f"{_NOT_ACCEPTED} OR (state = 'completed' AND run_polls = 0)")}
INSERT INTO rows_of_3 SELECT * FROM rows;
DROP TABLE rows;
ALTER TABLE rows_of_3 RENAME TO rows;
{_INDEX_BY_RUN}
{_INDEX_BEFORE_4}
{_TRIGGERS_BEFORE_5}
"""

_VERSION_4 = f"""
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

_VERSION_5 = f"""
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
"""Lets a reader query versions before 5 by the present names."""

TABLES_SINCE_6 = """
CREATE TABLE run_details (
    row INTEGER PRIMARY KEY,
    log_id TEXT,
    debug_url TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    total_tokens INTEGER
) STRICT;
CREATE TABLE token_totals (input_tokens INTEGER, output_tokens INTEGER, total_tokens INTEGER) STRICT;
INSERT INTO token_totals VALUES (NULL, NULL, NULL);
"""
"""The details of the present attempt of each row, and the tokens of all runs in a single row; null: not reported."""


def _add_tokens(before: str) -> str:
    """The statement that adds NEW to the totals, less what the same run reported `before`. Null changes nothing."""

    def assignment(name: str) -> str:
        more = f"NEW.{name} - {before.format(name)}"
        return f"{name} = coalesce({name} + {more}, {name}, {more})"

    return f"UPDATE token_totals SET {', '.join(map(assignment, TOKEN_COLUMNS))};"


_REPORTS_TOKENS = f"coalesce({', '.join(f'NEW.{name}' for name in TOKEN_COLUMNS)}) IS NOT NULL"

_VERSION_6 = f"""{TABLES_SINCE_6}
CREATE TRIGGER tokens_are_added AFTER INSERT ON run_details WHEN {_REPORTS_TOKENS}
BEGIN {_add_tokens("0")} END;

CREATE TRIGGER tokens_are_corrected AFTER UPDATE ON run_details WHEN {_REPORTS_TOKENS}
BEGIN {_add_tokens("coalesce(OLD.{}, 0)")} END;
"""

_VERSION_7 = """
ALTER TABLE session ADD COLUMN workflow_version TEXT;

CREATE TABLE uploads (
    digest TEXT PRIMARY KEY,
    reference TEXT NOT NULL,
    uploaded_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""

TABLES_SINCE_8 = """
CREATE TABLE time_series (
    session INTEGER NOT NULL,
    at INTEGER NOT NULL,
    observed_ms INTEGER NOT NULL,
    submissions INTEGER NOT NULL,
    polls INTEGER NOT NULL,
    throttled INTEGER NOT NULL,
    completed INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    timed_out INTEGER NOT NULL,
    in_flight INTEGER NOT NULL,
    allowed REAL NOT NULL,
    paused_ms INTEGER NOT NULL,
    outage_ms INTEGER NOT NULL,
    PRIMARY KEY (session, at)
) STRICT, WITHOUT ROWID;
"""
"""The intervals of `domain.time_series` by session; the columns are the fields of `Interval`."""

UPGRADES = (
    _VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5, _VERSION_6, _VERSION_7, TABLES_SINCE_8, "", INTENTS
)  # fmt: skip
"""The statements that upgrade version 0 to 1, 1 to 2, and so on."""

TRIGGERS = frozenset(re.findall(r"CREATE TRIGGER (\w+)", "".join(UPGRADES))) - frozenset(
    re.findall(r"DROP TRIGGER (\w+)", "".join(UPGRADES))
)
"""The names of the triggers of the current version. Without them another program could delete or change rows."""
