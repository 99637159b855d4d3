"""Which transitions the database itself accepts, alone and in a batch."""

import sqlite3
from itertools import product
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint import connection, session_reader
from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.domain.events import Accepted, RunCompleted, SubmitStarted
from batchrun.domain.frozen import copied
from batchrun.domain.row import Row, decide
from batchrun.domain.states import Event, State, cells
from batchrun.errors import BugError
from batchrun.ports import DuplicateRunError
from tests.contract.checkpoint_contents import everything
from tests.contract.row_lives import NOW, commit, concrete, life_to, opened, put

WITH_RUN = {State.RUNNING, State.COMPLETED, State.TIMED_OUT}


# -- the table of transitions, as the database enforces it


@pytest.mark.parametrize("state", State)
def test_the_database_refuses_exactly_what_the_table_refuses(tmp_path: Path, state: State) -> None:
    triples = list(product(Event, State))
    legal = {(event, target) for origin, event, target in cells() if origin is state}
    with opened(tmp_path) as checkpoint:
        lives = [life_to(state, number) for number in range(len(triples))]
        for life in lives:
            assert set(commit(checkpoint, *life)) == {None}
        before = {row.row: row for row in checkpoint.rows(*State)}
        entries = []
        for life, (event, target) in zip(lives, triples, strict=True):
            row = life[-1].row
            run_id = row.run_id or f"late-{row.row}"
            entries.append(Entry(copied(row, state=target, run_id=run_id, polls=99), concrete(event)))
        results = commit(checkpoint, *entries)
        after = {row.row: row for row in checkpoint.rows(*State)}
        for entry, result, triple in zip(entries, results, triples, strict=True):
            number = entry.row.row
            if triple in legal:
                assert result is None, triple
                assert after[number] == entry.row
            else:
                assert isinstance(result, BugError), triple
                assert "illegal transition" in str(result)
                assert after[number] == before[number], triple


def test_an_untouched_row_begins_as_queued(checkpoint: Checkpoint) -> None:
    triples = list(product(Event, State))
    legal = {(event, target) for origin, event, target in cells() if origin is State.QUEUED}
    entries = [
        Entry(Row(number, target, run_id=f"run-{number}"), concrete(event))
        for number, (event, target) in enumerate(triples)
    ]
    results = commit(checkpoint, *entries)
    assert {triple for triple, result in zip(triples, results, strict=True) if result is None} == legal
    assert {row.row for row in checkpoint.rows(*State)} == {n for n, triple in enumerate(triples) if triple in legal}


@pytest.mark.parametrize("state", sorted(WITH_RUN))
def test_a_row_cannot_be_where_a_run_is_needed_without_one(checkpoint: Checkpoint, state: State) -> None:
    life = life_to(state, 1)
    commit(checkpoint, *life[:-1])
    last = life[-1]
    (result,) = commit(checkpoint, Entry(copied(last.row, run_id=None), last.event))
    assert isinstance(result, BugError)


def test_a_result_that_came_without_a_run_is_recorded_and_any_number_of_them(checkpoint: Checkpoint) -> None:
    end = RunCompleted("completed", "{}", NOW, submitted_at=NOW)
    rows = [put(checkpoint, put(checkpoint, Row(number), SubmitStarted(NOW)), end) for number in range(2)]
    assert list(checkpoint.rows(State.COMPLETED)) == rows
    assert {row.run_id for row in rows} == {None}


def test_a_row_is_never_deleted(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.COMPLETED, 1))
    db = sqlite3.connect(tmp_path / "checkpoint.db")
    try:
        with pytest.raises(sqlite3.IntegrityError, match="a row is never deleted"):
            db.execute("DELETE FROM rows")
    finally:
        db.close()


def test_no_connection_whatsoever_can_take_a_paid_run_back_to_the_queue(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.RUNNING, 1))
    db = sqlite3.connect(tmp_path / "checkpoint.db")
    try:
        with pytest.raises(sqlite3.IntegrityError, match="illegal transition"):
            db.execute("UPDATE rows SET state = 'queued', event = 'refunded'")
    finally:
        db.close()


# -- refused entries in a batch


def test_a_poisonous_entry_does_not_fail_its_neighbours(tmp_path: Path, checkpoint: Checkpoint) -> None:
    commit(checkpoint, *life_to(State.RUNNING, 1, "taken"), *life_to(State.SUBMITTING, 2), *life_to(State.COMPLETED, 3))
    good = [life_to(State.COMPLETED, number) for number in (10, 11, 12)]
    second = decide(Row(2, State.SUBMITTING, 1, 1, intent_at=NOW), Accepted("taken", "pending", NOW, NOW))
    poison = [
        Entry(second, Accepted("taken", "pending", NOW, NOW)),
        Entry(Row(3, State.QUEUED), concrete(Event.REFUNDED)),
        Entry(Row(-1, State.SUBMITTING), SubmitStarted(NOW)),
    ]
    batch = [*good[0], poison[0], *good[1], poison[1], *good[2], poison[2]]
    results = commit(checkpoint, *batch)
    failed = {entry.row.row: result for entry, result in zip(batch, results, strict=True) if result is not None}
    assert set(failed) == {2, 3, -1}
    assert isinstance(failed[2], DuplicateRunError)
    assert isinstance(failed[3], BugError)
    assert "row 3" in str(failed[3])
    assert isinstance(failed[-1], BugError)
    found = everything(tmp_path / "checkpoint.db")
    assert {number: row.state for number, (row, _) in found.items()} == {
        1: State.RUNNING,
        2: State.SUBMITTING,
        3: State.COMPLETED,
        10: State.COMPLETED,
        11: State.COMPLETED,
        12: State.COMPLETED,
    }
    assert all(found[number][1] == '{"a": 1}' for number in (10, 11, 12))


def test_a_run_can_be_named_twice_within_one_batch_only_by_one_row(checkpoint: Checkpoint) -> None:
    results = commit(checkpoint, *life_to(State.RUNNING, 1, "same"), *life_to(State.RUNNING, 2, "same"))
    assert [type(result) for result in results] == [type(None), type(None), type(None), DuplicateRunError]
    assert [row.state for row in checkpoint.rows(*State)] == [State.RUNNING, State.SUBMITTING]


def test_a_run_is_one_rows_alone_also_where_its_attempt_was_refunded(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.RUNNING, 0, "the run"))
        (row,) = checkpoint.rows(State.RUNNING)
        queued = put(checkpoint, row, concrete(Event.RUN_FAILED))
        assert put(checkpoint, queued, concrete(Event.REFUNDED)).attempts == 0
        *_, (_, refused) = enumerate(commit(checkpoint, *life_to(State.RUNNING, 1, "the run")))
        assert isinstance(refused, DuplicateRunError)


def test_a_run_that_was_taken_over_is_no_run_of_this_job_though_the_row_was_tried_before(
    checkpoint: Checkpoint,
) -> None:
    row, entries = Row(1), list[Entry]()
    for event in (SubmitStarted(NOW), concrete(Event.REFUNDED), concrete(Event.REUSED, "r")):
        row = decide(row, event)
        entries.append(Entry(row, event))
    assert commit(checkpoint, *entries, *life_to(State.RUNNING, 2, "r")) == [None] * 5


def test_an_empty_batch_writes_the_counters(checkpoint: Checkpoint, tmp_path: Path) -> None:
    assert checkpoint.commit([], Counters(3, 4, 1), NOW + 5, 2.5) == []
    with connection.open_reader(tmp_path / "checkpoint.db") as db:
        (session,) = session_reader.sessions(db)
    assert (session.submissions, session.polls, session.throttled) == (3, 4, 1)
    assert (session.last_at, session.elapsed_s, session.changes) == (NOW + 5, 2.5, 0)
