"""The counts always add up to the number of rows."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import (
    Accepted,
    CannotBeSent,
    Deadline,
    FoundAfterRestart,
    Gone,
    Refunded,
    RefusedForGood,
    RefusedForNow,
    RowEvent,
    RunCompleted,
    RunFailed,
    Settled,
    StillRunning,
    SubmitStarted,
    Unconfirmed,
)
from batchrun.domain.row import Row, decide
from batchrun.domain.states import TABLE, State
from batchrun.domain.summary import counts
from batchrun.domain.tally import Tally

TOTAL = 5
EVENTS: list[RowEvent] = [
    CannotBeSent(Problem(ErrorKind.INPUT, "x"), 1),
    SubmitStarted(1),
    Accepted("r", "pending", 1, 2),
    RefusedForNow(Problem(ErrorKind.EXHAUSTED, "x"), 1, 2),
    RefusedForGood(Problem(ErrorKind.REJECTED, "x"), 1),
    Refunded(2),
    Unconfirmed(Problem(ErrorKind.IN_DOUBT, "x"), 1),
    RunCompleted("completed", "{}", 1),
    RunFailed("failed", Problem(ErrorKind.RUN_FAILED, "x"), 1),
    RunFailed("failed", Problem(ErrorKind.RUN_FAILED, "x"), 1, resubmit_at=2),
    StillRunning("running"),
    Gone(Problem(ErrorKind.LOST, "x"), 1),
    Deadline(Problem(ErrorKind.TIMEOUT, "x"), 1),
    FoundAfterRestart(Problem(ErrorKind.IN_DOUBT, "x"), 1),
    Settled(State.QUEUED, 1),
]
SEEN_AS_PROBLEM = {State.FAILED, State.TIMED_OUT, State.IN_DOUBT}


@given(st.lists(st.tuples(st.integers(0, TOTAL - 1), st.integers(0, 99)), max_size=80))
def test_the_tally_is_a_fold_of_the_moves(moves: list[tuple[int, int]]) -> None:
    tally, rows = Tally(TOTAL), {number: Row(number) for number in range(TOTAL)}
    for number, choice in moves:
        row = rows[number]
        legal = [event for event in EVENTS if event.event in TABLE[row.state]]
        rows[number] = decide(row, legal[choice % len(legal)])
        tally.move(row, rows[number])
        states = Counter(row.state for row in rows.values())
        assert {state: tally[state] for state in State} == {state: states[state] for state in State}
        assert sum(tally[state] for state in State) == tally.total == TOTAL
        kinds = Counter(row.problem.kind for row in rows.values() if row.problem and row.state in SEEN_AS_PROBLEM)
        assert {str(kind): count for kind, count in tally.kinds.items() if count} == {
            str(kind): count for kind, count in kinds.items()
        }
        assert tally.ended == states[State.COMPLETED] + states[State.FAILED] + states[State.TIMED_OUT]
        assert tally.with_errors == sum(states[state] for state in SEEN_AS_PROBLEM)
        people_see = counts(tally)
        assert people_see.pop("rows") == sum(people_see.values()) == TOTAL


def test_rows_that_were_never_touched_are_queued() -> None:
    assert Tally(1_000_000)[State.QUEUED] == 1_000_000


def test_people_see_a_row_that_is_being_submitted_as_running() -> None:
    tally = Tally(3)
    row = decide(Row(0), SubmitStarted(1))
    tally.move(Row(0), row)
    assert counts(tally) == {
        "rows": 3,
        "completed": 0,
        "failed": 0,
        "timed_out": 0,
        "in_doubt": 0,
        "running": 1,
        "queued": 2,
    }
