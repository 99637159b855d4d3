"""The tables of `checkpoint.db`; `upgrades` has the statements that create them.

The table `transitions` holds the state machine of `domain.states`, and triggers enforce it for every change of a row.
A row without an event has no record; the first event of a row is a transition from `queued`. Outputs have their own
table, so that queries for rows do not read them.

A row whose first submission has begun, and that has had no event since, is in the table `intents`; see the module of
that name.
"""

from batchrun.domain.states import cells

APPLICATION_ID = 0x62617463  # "batc"
VERSION = 10
VERSION_WITH_REUSE_KEYS = 5
"""The first version in which the table `reuse_keys` has that name."""
VERSION_WITH_DETAILS = 6
"""The first version that has the table `run_details`."""
VERSION_WITH_TIME_SERIES = 8
"""The first version that has the table `time_series`."""
VERSION_WITH_INTENTS = 10
"""The first version that has the table `intents`."""

ROW_COLUMNS = (
    "row", "state", "event", "attempts", "tries", "polls", "run_polls", "run_id", "status", "not_before", "intent_at",
    "submitted_at", "accepted_at", "finished_at", "created_at", "updated_at",
    "error_kind", "error_code", "error_message", "http_status",
)  # fmt: skip

INTENT_COLUMNS = ("row", "attempts", "tries", "polls", "run_polls", "intent_at")
DETAIL_COLUMNS = ("row", "log_id", "debug_url", "input_tokens", "output_tokens", "total_tokens")
TOKEN_COLUMNS = ("input_tokens", "output_tokens", "total_tokens")

NOT_COMPLETED = "state <> 'completed'"
"""SQLite uses the partial index `rows_open` only if the query contains this exact condition."""

TRANSITIONS = [(str(state), str(event), str(next_state)) for state, event, next_state in cells()]
