"""The table of transitions, cell by cell, against a handwritten copy: both must be changed together."""

from itertools import product

import pytest

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
from batchrun.domain.states import ENDED, TABLE, Event, State, cells, next_states
from batchrun.errors import BugError, IllegalTransitionError

PROBLEM = Problem(ErrorKind.RUN_FAILED, "why", "CODE", 500)

ORDER = ("queued", "submitting", "running", "in_doubt", "timed_out", "completed", "failed")

# The columns of design.md 3 in its order; "-" is illegal. The two cells marked * are not there: the late verdicts of
# `queued` that the docstring of domain/states.py explains.
HANDWRITTEN = {
    #                      queued   submitting      running          in_doubt       timed_out  completed  failed
    "cannot_be_sent": ("failed", "-", "-", "-", "-", "-", "-"),
    "submit_started": ("submitting", "-", "-", "-", "-", "-", "-"),
    "accepted": ("-", "running", "-", "running", "-", "-", "-"),
    "refused_for_now": ("-", "queued", "-", "-", "-", "-", "-"),
    "refused_for_good": ("failed", "failed", "-", "-", "-", "-", "-"),  # * queued
    "refunded": ("queued", "queued", "-", "-", "-", "-", "-"),  # * queued
    "unconfirmed": ("-", "in_doubt", "-", "-", "-", "-", "-"),
    "run_completed": ("-", "completed", "completed", "completed", "completed", "completed", "failed"),
    "run_failed": ("-", "failed|queued", "failed|queued", "failed", "failed", "completed", "failed"),
    "still_running": ("-", "-", "running", "-", "timed_out", "-", "-"),
    "gone": ("-", "-", "failed", "-", "failed", "-", "-"),
    "deadline": ("-", "-", "timed_out", "-", "-", "-", "-"),
    "found_after_restart": ("queued", "in_doubt", "running", "in_doubt", "timed_out", "completed", "failed"),
    "settled": ("-", "-", "-", "queued|failed", "queued", "-", "queued"),
    "reused": ("completed", "-", "-", "-", "-", "-", "-"),
    "adopted": ("running", "-", "-", "-", "-", "-", "-"),
    "held": ("in_doubt", "-", "-", "-", "-", "-", "-"),
}

EXPECTED: dict[tuple[State, Event], tuple[State, ...]] = {
    (State(state), Event(event)): () if cell == "-" else tuple(map(State, cell.split("|")))
    for event, line in HANDWRITTEN.items()
    for state, cell in zip(ORDER, line, strict=True)
}
LEGAL = [pair for pair, targets in EXPECTED.items() if targets]
ILLEGAL = [pair for pair, targets in EXPECTED.items() if not targets]


def example_of(event: Event, *, to: State) -> RowEvent:
    """An event of this type. If the event decides the next state, it is `to`."""
    resubmit_at = 9 if to is State.QUEUED else None
    events: dict[Event, RowEvent] = {
        Event.CANNOT_BE_SENT: CannotBeSent(PROBLEM, 5),
        Event.SUBMIT_STARTED: SubmitStarted(5),
        Event.ACCEPTED: Accepted("run-new", "pending", 5, 6),
        Event.REFUSED_FOR_NOW: RefusedForNow(PROBLEM, 5, 9),
        Event.REFUSED_FOR_GOOD: RefusedForGood(PROBLEM, 5),
        Event.REFUNDED: Refunded(9),
        Event.UNCONFIRMED: Unconfirmed(PROBLEM, 5),
        Event.RUN_COMPLETED: RunCompleted("completed", "{}", 5),
        Event.RUN_FAILED: RunFailed("failed", PROBLEM, 5, resubmit_at=resubmit_at),
        Event.STILL_RUNNING: StillRunning("running"),
        Event.GONE: Gone(PROBLEM, 5),
        Event.DEADLINE: Deadline(PROBLEM, 5),
        Event.FOUND_AFTER_RESTART: FoundAfterRestart(PROBLEM, 5),
        Event.SETTLED: Settled(to, 5),
        Event.ADOPTED: Adopted("run-old", "running", b"m" * 16, 5, 6, 5),
        Event.HELD: Held(PROBLEM, b"m" * 16),
        Event.REUSED: Reused("run-old", "completed", "{}", "/jobs/last", b"m" * 16, 5, 6),
    }
    return events[event]


def row_in(state: State) -> Row:
    """A possible row in `state`."""
    return Row(3, state, attempts=2, tries=1, polls=4, run_polls=2, run_id="run-3", status="running", intent_at=1)


def test_the_handwritten_copy_is_complete() -> None:
    assert set(EXPECTED) == set(product(State, Event))


def test_every_event_type_has_an_example() -> None:
    for event in Event:
        assert example_of(event, to=State.QUEUED).event is event


@pytest.mark.parametrize(("state", "event"), LEGAL)
def test_a_legal_event_leads_exactly_to_the_listed_states(state: State, event: Event) -> None:
    targets = EXPECTED[state, event]
    assert set(next_states(state, event)) == set(targets)
    for target in targets:
        before = row_in(state)
        after = decide(before, example_of(event, to=target))
        assert after.state is target
        assert after.row == before.row
        assert before == row_in(state)


@pytest.mark.parametrize(("state", "event"), ILLEGAL)
def test_an_illegal_event_raises_and_changes_nothing(state: State, event: Event) -> None:
    assert event not in TABLE[state]
    row = row_in(state)
    for to in State:
        with pytest.raises(IllegalTransitionError, match=rf"\b{state}\b.*\b{event}\b"):
            decide(row, example_of(event, to=to))
    assert row == row_in(state)
    with pytest.raises(BugError):
        next_states(state, event)


def test_the_cells_are_those_of_the_table_each_once() -> None:
    listed = list(cells())
    assert len(listed) == len(set(listed))
    assert set(listed) == {(s, e, target) for (s, e), targets in EXPECTED.items() for target in targets}


def test_only_a_queued_row_is_ever_sent() -> None:
    assert [state for state, _, target in cells() if target is State.SUBMITTING] == [State.QUEUED]


def test_only_the_user_takes_a_row_in_doubt_or_ended_back_to_the_queue() -> None:
    for state, event, target in cells():
        if target is State.QUEUED and state in {State.IN_DOUBT, State.TIMED_OUT, State.FAILED, State.COMPLETED}:
            assert event is Event.SETTLED


def test_a_completed_row_stays_completed() -> None:
    assert {target for state, _, target in cells() if state is State.COMPLETED} == {State.COMPLETED}


def test_what_has_ended() -> None:
    assert {State.COMPLETED, State.FAILED, State.TIMED_OUT} == ENDED
