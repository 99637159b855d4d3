"""Rows and their events for the contract tests: every state reached legally, every event made concrete."""

from pathlib import Path

from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import (
    Accepted,
    Adopted,
    CannotBeSent,
    Deadline,
    FoundAfterRestart,
    Gone,
    Held,
    Refunded,
    RefusedForGood,
    RefusedForNow,
    Reused,
    RowEvent,
    RunCompleted,
    RunFailed,
    Settled,
    StillRunning,
    SubmitStarted,
    Unconfirmed,
)
from batchrun.domain.row import Row, decide
from batchrun.domain.states import Event, State

NOW = 1_760_000_000_000
PROBLEM = Problem(ErrorKind.RUN_FAILED, "why: \x00 \t\n 'é😀'", "CODE", 500)


def concrete(event: Event, run_id: str = "run-new", to: State = State.QUEUED) -> RowEvent:
    """An event of this type; `to`: the resulting state, for events that have more than one."""
    resubmit_at = NOW if to is State.QUEUED else None
    events: dict[Event, RowEvent] = {
        Event.CANNOT_BE_SENT: CannotBeSent(PROBLEM, NOW),
        Event.SUBMIT_STARTED: SubmitStarted(NOW),
        Event.ACCEPTED: Accepted(run_id, "pending", NOW, NOW),
        Event.REFUSED_FOR_NOW: RefusedForNow(PROBLEM, NOW, NOW),
        Event.REFUSED_FOR_GOOD: RefusedForGood(PROBLEM, NOW),
        Event.REFUNDED: Refunded(NOW),
        Event.UNCONFIRMED: Unconfirmed(PROBLEM, NOW),
        Event.RUN_COMPLETED: RunCompleted("completed", '{"a": 1}', NOW),
        Event.RUN_FAILED: RunFailed("failed", PROBLEM, NOW, resubmit_at=resubmit_at),
        Event.STILL_RUNNING: StillRunning("running"),
        Event.GONE: Gone(PROBLEM, NOW),
        Event.DEADLINE: Deadline(PROBLEM, NOW),
        Event.FOUND_AFTER_RESTART: FoundAfterRestart(PROBLEM, NOW),
        Event.SETTLED: Settled(to, NOW),
        Event.ADOPTED: Adopted(run_id, "running", b"m" * 16, NOW, NOW, NOW),
        Event.HELD: Held(PROBLEM, b"m" * 16),
        Event.REUSED: Reused(run_id, "completed", '{"a": 1}', "/jobs/last", b"m" * 16, NOW, NOW),
    }
    return events[event]


PATHS: dict[State, tuple[Event, ...]] = {
    State.QUEUED: (Event.SUBMIT_STARTED, Event.REFUNDED),
    State.SUBMITTING: (Event.SUBMIT_STARTED,),
    State.RUNNING: (Event.SUBMIT_STARTED, Event.ACCEPTED),
    State.COMPLETED: (Event.SUBMIT_STARTED, Event.ACCEPTED, Event.RUN_COMPLETED),
    State.FAILED: (Event.SUBMIT_STARTED, Event.ACCEPTED, Event.GONE),
    State.TIMED_OUT: (Event.SUBMIT_STARTED, Event.ACCEPTED, Event.DEADLINE),
    State.IN_DOUBT: (Event.SUBMIT_STARTED, Event.UNCONFIRMED),
}
"""How a row gets into each state."""


def life_to(state: State, number: int, run_id: str | None = None) -> list[Entry]:
    """The entries that legally move a new row into `state`."""
    row, entries = Row(number), list[Entry]()
    for sort in PATHS[state]:
        event = concrete(sort, run_id or f"run-{number}")
        row = decide(row, event)
        entries.append(Entry(row, event))
    return entries


def commit(checkpoint: Checkpoint, *entries: Entry, at: int = NOW) -> list[Exception | None]:
    """Commit with counters that do not matter."""
    return checkpoint.commit(entries, Counters(), at, 0.0)


def put(checkpoint: Checkpoint, row: Row, event: RowEvent) -> Row:
    """Commit one event, which must succeed. Returns the row after it."""
    moved = decide(row, event)
    assert commit(checkpoint, Entry(moved, event)) == [None]
    return moved


def opened(folder: Path, session: bool = True) -> Checkpoint:
    """The checkpoint of a folder, with an open session."""
    checkpoint = Checkpoint(folder / "checkpoint.db")
    if session:
        checkpoint.begin_session(NOW, "1.2.3")
    return checkpoint
