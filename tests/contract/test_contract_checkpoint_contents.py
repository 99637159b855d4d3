"""What the checkpoint returns is what was written to it."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.adapters.checkpoint import connection, reader, results_reader, session_reader
from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import RunCompleted
from batchrun.domain.row import Row
from batchrun.domain.states import ERROR_STATES, Event, State
from tests.contract.checkpoint_contents import everything
from tests.contract.row_lives import NOW, commit, concrete, life_to, opened, put
from tests.support.examples import examples
from tests.support.result_rows import result_row

# -- what comes back is what went in


INT = st.none() | st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PROBLEMS = st.builds(Problem, st.sampled_from(ErrorKind), TEXT, st.none() | TEXT, INT)
COUNT = st.integers(0, 2**31)
ROWS = st.builds(
    Row,
    row=st.integers(0, 2**63 - 1),
    state=st.just(State.FAILED),
    attempts=COUNT,
    tries=COUNT,
    polls=COUNT,
    run_polls=COUNT,
    run_id=st.none() | TEXT.filter(bool),
    status=st.none() | TEXT,
    not_before=INT,
    intent_at=INT,
    submitted_at=INT,
    accepted_at=INT,
    finished_at=INT,
    created_at=INT,
    updated_at=INT,
    problem=st.none() | PROBLEMS,
)


@settings(max_examples=examples(15))
@given(st.lists(ROWS, max_size=30, unique_by=(lambda row: row.row, lambda row: row.run_id or object())))
def test_every_column_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, rows: list[Row]) -> None:
    folder = tmp_path_factory.mktemp("rows")
    with opened(folder) as checkpoint:
        assert set(commit(checkpoint, *(Entry(row, concrete(Event.CANNOT_BE_SENT)) for row in rows))) <= {None}
        assert list(checkpoint.rows(State.FAILED)) == sorted(rows, key=lambda row: row.row)
    with connection.open_reader(folder / "checkpoint.db") as db:
        assert list(results_reader.result_rows(db)) == [
            result_row(row) for row in sorted(rows, key=lambda row: row.row)
        ]


@settings(max_examples=examples(15))
@given(st.lists(st.none() | TEXT, min_size=1, max_size=20))
def test_every_output_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, outputs: list[str | None]) -> None:
    folder = tmp_path_factory.mktemp("outputs")
    with opened(folder) as checkpoint:
        for number, output in enumerate(outputs):
            *before, last = life_to(State.COMPLETED, number)
            commit(checkpoint, *before, Entry(last.row, RunCompleted("completed", output, NOW)))
    assert [output for _, output in everything(folder / "checkpoint.db").values()] == outputs


def test_rows_come_in_input_order_by_state_over_many_pages_and_may_change_meanwhile(checkpoint: Checkpoint) -> None:
    total = 10_050
    commit(checkpoint, *(entry for number in reversed(range(total)) for entry in life_to(State.SUBMITTING, number)))
    seen = []
    for row in checkpoint.rows(State.SUBMITTING):
        seen.append(row.row)
        if row.row % 1000 == 0:
            put(checkpoint, row, concrete(Event.REFUNDED))
    assert seen == list(range(total))
    assert [row.row for row in checkpoint.rows(State.QUEUED)] == list(range(0, total, 1000))


def test_the_tally_counts_states_and_the_problems_of_rows_that_are_not_completed(checkpoint: Checkpoint) -> None:
    for number, state in enumerate([*State, State.COMPLETED, State.FAILED]):
        commit(checkpoint, *life_to(state, number))
    tally = checkpoint.tally(20)
    assert {state: tally[state] for state in State} == {
        State.QUEUED: 12,
        State.SUBMITTING: 1,
        State.RUNNING: 1,
        State.COMPLETED: 2,
        State.FAILED: 2,
        State.TIMED_OUT: 1,
        State.IN_DOUBT: 1,
    }
    assert dict(tally.kinds) == {"run_failed": 4}


def test_meta_is_all_or_nothing_and_the_last_word_counts(checkpoint: Checkpoint) -> None:
    checkpoint.set_meta(a="1", b="2")
    checkpoint.set_meta(b="é", c="")
    assert {"a": "1", "b": "é", "c": ""}.items() <= checkpoint.meta().items()


@settings(max_examples=examples(30))
@given(st.permutations(range(12)), st.integers(0, 12), st.integers(0, 12))
def test_the_touched_prefix_ends_at_the_first_untouched_row(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], first: int, more: int
) -> None:
    folder = tmp_path_factory.mktemp("prefix")
    for rows in (order[:first], order[first : first + more]):  # the next session continues from the prefix of the first
        with opened(folder) as checkpoint:
            for row in rows:
                commit(checkpoint, *life_to(State.SUBMITTING if row % 3 == 0 else State.COMPLETED, row))
            checkpoint.end_session(NOW, 75, Counters(), 1.0)
    with connection.open_reader(folder / "checkpoint.db") as db:
        seen = set(order[: first + more])
        assert reader.touched_prefix(db) == min(set(range(13)) - seen)
        assert reader.touched(db) == (len(seen), max(seen, default=-1) + 1)
        tally, begun = reader.tally(db, 12), sum(row % 3 == 0 for row in seen)
        assert (tally[State.SUBMITTING], tally[State.COMPLETED]) == (begun, len(seen) - begun)


def test_what_is_asked_at_the_start_costs_the_same_however_many_rows_are_completed(tmp_path: Path) -> None:
    steps: list[list[int]] = []
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.FAILED, 0), *life_to(State.RUNNING, 1))
        for end in (100, 3000):
            start = 2 if end == 100 else 100
            commit(checkpoint, *(entry for row in range(start, end) for entry in life_to(State.COMPLETED, row)))
            checkpoint.begin_session(NOW, "1.2.3")
            with connection.open_reader(tmp_path / "checkpoint.db") as db:
                steps.append([steps_of(db, question) for question in QUESTIONS])
    assert steps[0] == steps[1]


QUESTIONS: list[Callable[[sqlite3.Connection], object]] = [
    lambda db: reader.tally(db, 5000),
    lambda db: reader.total(db, 5000, 4000),
    lambda db: reader.errors_since(db, 0),
    reader.touched_prefix,
    lambda db: list(reader.rows(db, State.RUNNING, State.IN_DOUBT)),
    lambda db: list(reader.rows(db, State.TIMED_OUT)),
    lambda db: list(results_reader.result_rows(db, ERROR_STATES)),
]


def steps_of(db: sqlite3.Connection, question: Callable[[sqlite3.Connection], object]) -> int:
    """The number of steps of SQLite's virtual machine."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    db.set_progress_handler(step, 1)
    question(db)
    db.set_progress_handler(None, 1)
    return taken


# -- sessions


def test_sessions_tell_the_story_of_a_job(tmp_path: Path) -> None:
    with opened(tmp_path, session=False) as checkpoint:
        assert checkpoint.last_session() is None
        first = checkpoint.begin_session(NOW, "1.0")
        assert checkpoint.last_session() is None
        checkpoint.commit([*life_to(State.FAILED, 1), *life_to(State.RUNNING, 2)], Counters(2, 1, 0), NOW + 10, 1.0)
        checkpoint.end_session(NOW + 20, 75, Counters(3, 2, 1), 1.5)
    with opened(tmp_path, session=False) as checkpoint:
        second = checkpoint.begin_session(NOW + 100, "1.0")
        assert second > first
        assert (last := checkpoint.last_session()) is not None
        assert last.last_at == NOW + 20
        with connection.open_reader(tmp_path / "checkpoint.db") as db:
            one, two = session_reader.sessions(db)
    assert (one.exit_code, one.ended_at, one.changes, one.ended_before) == (75, NOW + 20, 5, 0)
    assert (one.submissions, one.polls, one.throttled, one.elapsed_s) == (3, 2, 1, 1.5)
    assert (two.exit_code, two.ended_at, two.ended_before, two.last_at) == (None, None, 1, NOW + 100)


def test_the_errors_of_a_session_are_those_that_came_about_in_it(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        for number, state in enumerate([State.FAILED, State.TIMED_OUT, State.IN_DOUBT, State.COMPLETED]):
            commit(checkpoint, *life_to(state, number))
        with connection.open_reader(tmp_path / "checkpoint.db") as db:
            assert reader.errors_since(db, NOW) == {"run_failed": 3}
            assert reader.errors_since(db, NOW + 1) == {}
