"""The counts always add up to the number of rows."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.domain.answers import RunDetails
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
from batchrun.domain.run_details import Tokens
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


COUNT = st.none() | st.integers(0, 9)
REPORTED = st.builds(RunDetails, st.none() | st.just("log"), st.none(), COUNT, COUNT, COUNT)


@given(st.lists(st.tuples(st.integers(0, 1), st.booleans(), st.none() | REPORTED), max_size=30))
def test_tokens_are_the_last_figures_of_each_run_even_if_its_row_is_submitted_again(
    steps: list[tuple[int, bool, RunDetails | None]],
) -> None:
    """In each step the run of a row reports details. In some steps the row is then submitted again."""
    tally, rows, last = Tally(2), [Row(0), Row(1)], dict[tuple[int, int], RunDetails]()
    for number, again, reported in steps:
        events: list[RowEvent] = [] if rows[number].attempts else [SubmitStarted(1), Accepted("r", "pending", 1, 2)]
        events.append(StillRunning("running", details=reported))
        if again:
            failed = RunFailed("failed", Problem(ErrorKind.RUN_FAILED, "x"), 3, resubmit_at=4)
            events += [failed, SubmitStarted(5), Accepted("r", "pending", 5, 6)]
        for event in events:
            before, rows[number] = rows[number], decide(rows[number], event)
            tally.move(before, rows[number])
            if (known := rows[number].details) is not None:
                last[number, rows[number].attempts] = known
    for name in ("input_tokens", "output_tokens", "total_tokens"):
        reported_counts = [count for details in last.values() if (count := getattr(details, name)) is not None]
        assert getattr(tally.tokens, name) == (sum(reported_counts) if reported_counts else None)


@pytest.mark.parametrize(
    ("tokens", "spent"), [(Tokens(), 0), (Tokens(2, 3), 5), (Tokens(total_tokens=7), 7), (Tokens(2, None, 9), 9)]
)
def test_spent_tokens_are_the_total_or_the_sum_of_the_parts(tokens: Tokens, spent: int) -> None:
    assert tokens.spent == spent


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
