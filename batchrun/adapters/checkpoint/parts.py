"""What is written to the tables of a checkpoint for one change of one row."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Any, TypeAlias

from msgspec.structs import astuple

from batchrun.adapters.checkpoint.schema import INTENT_COLUMNS, ROW_COLUMNS
from batchrun.domain.answers import RunDetails
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import Adopted, Held, Reused, RowEvent, RunCompleted, SubmitStarted
from batchrun.domain.row import Row
from batchrun.domain.states import Event, State


class Table(IntEnum):
    """The tables that may have something of a row besides its record."""

    OUTPUTS = 0
    REUSE_KEYS = 1
    REUSED = 2
    DETAILS = 3


class Shape(IntEnum):
    """Which columns of a record a change fills in. The others are null: to bind them costs a fifth of the write."""

    ANY = 0
    INTENT = 1
    """For the table `intents`."""
    WITHOUT_PROBLEM = 2


SHAPES = (
    ROW_COLUMNS,
    INTENT_COLUMNS,
    tuple(column for column in ROW_COLUMNS if column != "not_before" and not column.startswith(("error_", "http_"))),
)
"""The columns of each shape."""

_ANY, _INTENT, _NO_PROBLEM = (shape.value for shape in Shape)

Values: TypeAlias = tuple[Any, ...]

Parts: TypeAlias = tuple[int, Values, Sequence[tuple[int, Values]]]
"""One change of one row as it is written: the shape and the columns of its record, and those of other tables.

See `Shape` and `Table`.
"""


OUTPUTS, _DETAILS = Table.OUTPUTS.value, Table.DETAILS.value


def parts_of(row: Row, event: RowEvent) -> Parts:
    """What is written of `row` after `event`."""
    number, more = row.row, list[tuple[int, Values]]()
    if row.details is not None:
        more.append((_DETAILS, (number, *astuple(row.details))))
    if isinstance(event, RunCompleted):
        if row.state is State.COMPLETED:
            more.append((OUTPUTS, (number, event.output)))
    elif isinstance(event, Reused):
        more.append((OUTPUTS, (number, event.output)))
        more.append((Table.REUSE_KEYS.value, (number, event.reuse_key)))
        more.append((Table.REUSED.value, (number, event.source)))
    elif isinstance(event, _WITH_REUSE_KEY) and event.reuse_key is not None:
        more.append((Table.REUSE_KEYS.value, (number, event.reuse_key)))
    shape, values = _values_of(row, event)
    return shape, values, more


def _values_of(row: Row, event: RowEvent) -> tuple[int, Values]:
    """The shape and the columns of `row` after `event`."""
    problem, run_id, status = row.problem, row.run_id, row.status
    state, name = _TEXTS[row.state], _TEXTS[event.event]
    sent, accepted, finished, created, updated = (
        row.submitted_at, row.accepted_at, row.finished_at, row.created_at, row.updated_at,
    )  # fmt: skip
    if problem is not None or row.not_before is not None:
        shown = (
            (None,) * 4 if problem is None else (problem.kind.value, problem.code, problem.message, problem.http_status)
        )
        return _ANY, (
            row.row, state, name, row.attempts, row.tries, row.polls, row.run_polls, run_id, status, row.not_before,
            row.intent_at, sent, accepted, finished, created, updated, *shown,
        )  # fmt: skip
    is_begun = isinstance(event, SubmitStarted) and row.state is State.SUBMITTING
    if is_begun and (run_id, status, sent, accepted, finished, created, updated) == _NO_RUN:
        return _INTENT, (row.row, row.attempts, row.tries, row.polls, row.run_polls, row.intent_at)
    return _NO_PROBLEM, (
        row.row, state, name, row.attempts, row.tries, row.polls, row.run_polls, run_id, status, row.intent_at, sent,
        accepted, finished, created, updated,
    )  # fmt: skip


_NO_RUN = (None,) * 7

_WITH_REUSE_KEY = (SubmitStarted, Adopted, Held)  # a union would be made anew for each change


def change_of(parts: Parts) -> tuple[Row, Event]:
    """The row after a change, and the event, of which `parts_of` made this."""
    shape, values, more = parts
    details = RunDetails(*more[0][1][1:]) if more and more[0][0] == _DETAILS else None
    if shape == _INTENT:
        number, attempts, tries, polls, run_polls, at = values
        row = Row(number, State.SUBMITTING, attempts, tries, polls, run_polls, intent_at=at, details=details)
        return row, Event.SUBMIT_STARTED
    kind = code = http_status = not_before = None
    message = ""
    if shape == _NO_PROBLEM:
        number, state, event, attempts, tries, polls, run_polls, run_id, status, intent, sent, accepted, *ends = values
    else:
        (
            number, state, event, attempts, tries, polls, run_polls, run_id, status, not_before, intent, sent, accepted,
            *ends, kind, code, message, http_status,
        ) = values  # fmt: skip
    finished, created, updated = ends
    problem = None if kind is None else Problem(ErrorKind(kind), message, code, http_status)
    row = Row(
        number, _STATES[state], attempts, tries, polls, run_polls, run_id, status, not_before, intent, sent, accepted,
        finished, created, updated, problem, details,
    )  # fmt: skip
    return row, _EVENTS[event]


_TEXTS = {member: member.value for member in (*State, *Event)}
"""sqlite3 looks up an adapter for a subclass of str, which is slow."""

_STATES: dict[object, State] = {state.value: state for state in State}
_EVENTS: dict[object, Event] = {event.value: event for event in Event}
