"""The checkpoint on a real database: what it accepts, what it refuses, and what it returns afterwards."""

import os
import resource
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchrun.adapters.checkpoint import connection, reader, results_reader, reuse_reader
from batchrun.adapters.checkpoint.writer import Checkpoint, Entry
from batchrun.domain.answers import RunDetails
from batchrun.domain.counters import Counters
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import Accepted, RowEvent, RunCompleted, RunFailed, StillRunning, SubmitStarted
from batchrun.domain.frozen import copied
from batchrun.domain.row import Row, decide
from batchrun.domain.states import ERROR_STATES, Event, State, cells
from batchrun.errors import BugError, InputError, StorageError
from batchrun.ports import DuplicateRunError
from tests.contract.row_lives import NOW, PROBLEM, commit, concrete, life_to, opened, put
from tests.support.examples import examples
from tests.support.result_rows import result_row

WITH_RUN = {State.RUNNING, State.COMPLETED, State.TIMED_OUT}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Iterator[Checkpoint]:
    with opened(tmp_path) as checkpoint:
        yield checkpoint


def everything(path: Path) -> dict[int, tuple[Row, str | None]]:
    """All rows as another connection sees them, with the outputs of those that ended."""
    with connection.open_reader(path) as db:
        found: dict[int, tuple[Row, str | None]] = {row.row: (row, None) for row in reader.rows(db, *State)}
        for one in results_reader.result_rows(db):
            row, _ = found[one.row]
            assert one == result_row(row, one.output, one.reused_from)
            found[one.row] = row, one.output
        return found


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
        (session,) = reader.sessions(db)
    assert (session.submissions, session.polls, session.throttled) == (3, 4, 1)
    assert (session.last_at, session.elapsed_s, session.changes) == (NOW + 5, 2.5, 0)


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
                commit(checkpoint, *life_to(State.COMPLETED, row))
            checkpoint.end_session(NOW, 75, Counters(), 1.0)
    with connection.open_reader(folder / "checkpoint.db") as db:
        seen = set(order[: first + more])
        assert reader.touched_prefix(db) == min(set(range(13)) - seen)
        assert reader.touched(db) == (len(seen), max(seen, default=-1) + 1)
        assert reader.tally(db, 12)[State.COMPLETED] == len(seen)


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
    lambda db: reader.never_sent(db, 5000),
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
            one, two = reader.sessions(db)
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


# -- details


def details_in(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "checkpoint.db")) as db:
        return db.execute("SELECT * FROM run_details ORDER BY row").fetchall()


def tokens_in(folder: Path) -> tuple[int | None, ...]:
    with closing(sqlite3.connect(folder / "checkpoint.db")) as db:
        [totals] = db.execute("SELECT input_tokens, output_tokens, total_tokens FROM token_totals")
        return tuple(totals)


def test_a_service_that_reports_no_details_adds_no_records(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        for number, state in enumerate(State):
            commit(checkpoint, *life_to(state, number))
    assert details_in(tmp_path) == []
    assert tokens_in(tmp_path) == (None, None, None)


def test_details_are_those_of_the_present_run_and_tokens_those_of_all_runs(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        row = put(checkpoint, Row(1), SubmitStarted(NOW))
        row = put(checkpoint, row, Accepted("r1", "pending", NOW, NOW, details=RunDetails("log", "url")))
        row = put(checkpoint, row, StillRunning("running", details=RunDetails(input_tokens=100)))
        assert tokens_in(tmp_path) == (100, None, None)
        failed = RunFailed("failed", PROBLEM, NOW, resubmit_at=NOW, details=RunDetails("log 2", None, 90, 0, 90))
        row = put(checkpoint, row, failed)
        assert details_in(tmp_path) == [(1, "log 2", "url", 90, 0, 90)]
    with opened(tmp_path) as checkpoint:
        assert list(checkpoint.rows(State.QUEUED)) == [row]
        row = put(checkpoint, row, SubmitStarted(NOW))
        assert list(checkpoint.rows(State.SUBMITTING)) == [row]
        assert details_in(tmp_path) == [(1, *[None] * 5)]
        row = put(checkpoint, row, Accepted("r2", "pending", NOW, NOW))
        put(checkpoint, row, RunCompleted("completed", "1", NOW, details=RunDetails(None, None, 7, None, 8)))
        assert details_in(tmp_path) == [(1, None, None, 7, None, 8)]
    assert tokens_in(tmp_path) == (97, 0, 98)


def test_an_entry_that_is_refused_adds_no_tokens(checkpoint: Checkpoint, tmp_path: Path) -> None:
    commit(checkpoint, *life_to(State.RUNNING, 1, "taken"), *life_to(State.SUBMITTING, 2), *life_to(State.RUNNING, 3))
    events: dict[int, RowEvent] = {
        2: Accepted("taken", "pending", NOW, NOW, details=RunDetails("log", None, 1, 1, 2)),
        3: RunCompleted("completed", "{}", NOW, details=RunDetails("log", None, 10, 10, 20)),
    }
    rows = {row.row: row for row in checkpoint.rows(*State)}
    results = commit(checkpoint, *(Entry(decide(rows[number], event), event) for number, event in events.items()))
    assert [type(result) for result in results] == [DuplicateRunError, type(None)]
    assert tokens_in(tmp_path) == (10, 10, 20)
    assert [number for number, *_ in details_in(tmp_path)] == [3]


def test_a_reused_run_keeps_its_log_id_and_debug_url_but_not_its_tokens(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        row = put(checkpoint, Row(1), SubmitStarted(NOW, b"k" * 16))
        row = put(checkpoint, row, Accepted("r1", "pending", NOW, NOW, details=RunDetails("log", "url", 1, 2, 3)))
        put(checkpoint, row, RunCompleted("completed", "1", NOW))
    with connection.open_reader(tmp_path / "checkpoint.db") as db:
        reuse_reader.index_reuse_keys(db)
        reused = reuse_reader.completed_with(db, b"k" * 16, "here")
    assert reused is not None
    assert reused.details == RunDetails("log", "url")


# -- files


def test_only_the_owner_may_read_it(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.RUNNING, 1))
        for path in tmp_path.iterdir():
            assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path


def test_after_close_one_file_is_all_there_is(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.RUNNING, 1))
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.db"]


def test_an_empty_file_is_a_checkpoint_that_was_just_begun(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.db").touch()
    with opened(tmp_path) as checkpoint:
        assert list(checkpoint.rows(*State)) == []


def text_file(path: Path) -> None:
    path.write_text("id,text\n1,hello\n" * 100)


def foreign_database(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE rows (row INTEGER)")
    db.commit()
    db.close()


def foreign_application(path: Path) -> None:
    foreign_database(path)
    db = sqlite3.connect(path)
    db.execute("PRAGMA application_id = 12345")
    db.commit()
    db.close()


def newer_version(path: Path) -> None:
    Checkpoint(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.commit()
    db.close()


FOREIGN = [
    (text_file, "is not a checkpoint of batchrun|file is not a database"),
    (foreign_database, "is not a checkpoint of batchrun"),
    (foreign_application, "is not a checkpoint of batchrun"),
    (newer_version, "newer batchrun"),
]


@pytest.mark.parametrize(("make", "words"), FOREIGN)
def test_a_database_that_is_not_ours_is_refused_and_left_alone(
    tmp_path: Path, make: Callable[[Path], None], words: str
) -> None:
    path = tmp_path / "checkpoint.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=words):
        Checkpoint(path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["checkpoint.db"]


@pytest.mark.parametrize(("make", "words"), FOREIGN)
def test_a_database_that_is_not_ours_is_not_read(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    path = tmp_path / "checkpoint.db"
    make(path)
    before = path.read_bytes()
    with pytest.raises((InputError, StorageError), match=words), connection.open_reader(path):
        pass
    assert path.read_bytes() == before


def test_where_it_cannot_be_opened_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.db").mkdir()
    with pytest.raises(StorageError, match=r"checkpoint\.db: cannot be opened"):
        Checkpoint(tmp_path / "checkpoint.db")
    with pytest.raises(StorageError, match="cannot be opened"):
        Checkpoint(tmp_path / "no" / "such" / "checkpoint.db")


def test_a_run_directory_with_results_and_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.db"
    connection.refuse_lost_checkpoint(tmp_path, path)
    (tmp_path / "outputs.parquet").touch()
    with pytest.raises(InputError, match="--fresh"):
        connection.refuse_lost_checkpoint(tmp_path, path)
    path.touch()
    connection.refuse_lost_checkpoint(tmp_path, path)


# -- the disk


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Limit files to `size` bytes, which looks like a full disk to SQLite."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_told_and_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged = set()
    with opened(tmp_path) as checkpoint, full_disk(1_000_000), pytest.raises(StorageError, match="Make room"):
        for number in range(100):
            *before, last = life_to(State.COMPLETED, number)
            commit(checkpoint, *before, Entry(last.row, RunCompleted("completed", "x" * 50_000, NOW)))
            acknowledged.add(number)
    assert 1 < len(acknowledged) < 100
    found = everything(tmp_path / "checkpoint.db")
    assert set(found) == acknowledged
    assert {output for _, output in found.values()} == {"x" * 50_000}
    with opened(tmp_path) as again:
        assert set(commit(again, *life_to(State.COMPLETED, 1000))) == {None}


@pytest.mark.parametrize("door", ["set_meta", "begin_session", "end_session"])
def test_on_a_full_disk_every_door_says_so(tmp_path: Path, door: str) -> None:
    with opened(tmp_path) as checkpoint:
        size = (tmp_path / "checkpoint.db-wal").stat().st_size
        with full_disk(size), pytest.raises(StorageError, match="the checkpoint cannot be written"):
            match door:
                case "set_meta":
                    checkpoint.set_meta(a="x" * 100_000)
                case "begin_session":
                    checkpoint.begin_session(NOW, "x" * 100_000)
                case _:
                    checkpoint.end_session(NOW, 0, Counters(1, 1, 1), 1.0)


# -- readers


def test_a_reader_sees_what_was_committed_while_the_writer_is_open(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.db"
    with opened(tmp_path) as checkpoint:
        for number in range(3):
            commit(checkpoint, *life_to(State.COMPLETED, number))
            assert set(everything(path)) == set(range(number + 1))
    assert set(everything(path)) == {0, 1, 2}


def test_a_reader_keeps_its_moment_while_the_writer_goes_on(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *(entry for number in range(500) for entry in life_to(State.COMPLETED, number)))
        with connection.open_reader(tmp_path / "checkpoint.db") as db:
            found = results_reader.result_rows(db)
            first = next(found)
            commit(checkpoint, *life_to(State.COMPLETED, 1000))
            assert first.row == 0
            assert [one.row for one in found] == list(range(1, 500))


def test_a_reader_changes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.RUNNING, 1))
        with (
            connection.open_reader(tmp_path / "checkpoint.db") as db,
            pytest.raises(sqlite3.OperationalError, match="readonly"),
        ):
            db.execute("UPDATE meta SET value = ''")
            pytest.fail("it was written")  # pragma: no cover


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.iterdir()}


def test_a_closed_checkpoint_is_left_as_it_was_by_its_readers(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.db"
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.COMPLETED, 1))
    before = files(tmp_path)
    assert list(before) == ["checkpoint.db"]
    with connection.open_reader(path) as db, connection.read_snapshot(db):
        assert reader.tally(db, 2).ended == 1
        with connection.open_reader(path) as other:
            assert reader.tally(other, 2).ended == 1
        assert reader.tally(db, 2).ended == 1
    assert files(tmp_path) == before


def test_readers_take_nothing_from_a_writer_that_began_after_them(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.db"
    opened(tmp_path).close()
    with connection.open_reader(path):
        checkpoint = opened(tmp_path)
    commit(checkpoint, *life_to(State.COMPLETED, 1))
    assert set(everything(path)) == {1}
    commit(checkpoint, *life_to(State.COMPLETED, 2))
    checkpoint.close()
    assert set(everything(path)) == {1, 2}
    assert list(files(tmp_path)) == ["checkpoint.db"]


def test_a_killed_writers_log_is_not_touched_by_readers(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.COMPLETED, 1))
        (killed := tmp_path / "killed").mkdir()
        for name in ("checkpoint.db", "checkpoint.db-wal"):
            (killed / name).write_bytes((tmp_path / name).read_bytes())
    before = files(killed)
    assert set(everything(killed / "checkpoint.db")) == {1}
    after = files(killed)
    assert {name: after[name] for name in before} == before


def test_a_reader_says_where_there_is_no_job(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no job"), connection.open_reader(tmp_path / "checkpoint.db"):
        pass


def test_a_damaged_checkpoint_is_a_matter_of_storage_or_of_input_and_never_a_traceback(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.RUNNING, 1))
    path = tmp_path / "checkpoint.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * (len(whole) - 100))
    with pytest.raises((StorageError, InputError)), connection.open_reader(path) as db:
        reader.tally(db, 1)
    with pytest.raises((StorageError, InputError)):
        Checkpoint(path)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_was_touched(tmp_path: Path, count: int) -> None:
    with opened(tmp_path) as checkpoint:
        for number in range(count):
            commit(checkpoint, *life_to(State.FAILED, 2 * number))
        with connection.open_reader(tmp_path / "checkpoint.db") as db:
            assert reader.touched(db) == (count, 2 * count - 1 if count else 0)
            assert set(reader.between(db, 1, 3)) == ({2} if count > 1 else set())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into any folder")
@pytest.mark.parametrize("folder_mode", [0o500])
def test_a_closed_checkpoint_can_be_read_in_a_folder_that_cannot_be_written(tmp_path: Path, folder_mode: int) -> None:
    folder = tmp_path / "read-only"
    folder.mkdir()
    with opened(folder) as checkpoint:
        commit(checkpoint, *life_to(State.COMPLETED, 1))
    path = folder / "checkpoint.db"
    path.chmod(0o400)
    folder.chmod(folder_mode)
    try:
        assert set(everything(path)) == {1}
    finally:
        folder.chmod(0o700)


# -- a crash


def test_what_was_committed_survives_the_process_and_the_rest_was_never_there(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.COMPLETED, 1))
        commit(checkpoint, *life_to(State.SUBMITTING, 2))
        after = tmp_path / "after"
        after.mkdir()
        for name in ("checkpoint.db", "checkpoint.db-wal"):
            shutil.copy(tmp_path / name, after / name)
        commit(checkpoint, *life_to(State.COMPLETED, 3))
    with opened(after) as again:
        assert [(row.row, row.state) for row in again.rows(*State)] == [(1, State.COMPLETED), (2, State.SUBMITTING)]


def test_a_crash_between_creating_the_file_and_its_tables_is_no_harm(tmp_path: Path) -> None:
    with opened(tmp_path, session=False):
        wal = tmp_path / "checkpoint.db-wal"
        for size in range(0, wal.stat().st_size + 1, 4096):
            after = tmp_path / f"after-{size}"
            after.mkdir()
            shutil.copy(tmp_path / "checkpoint.db", after / "checkpoint.db")
            (after / "checkpoint.db-wal").write_bytes(wal.read_bytes()[:size])
            with opened(after) as again:
                put(again, Row(0), SubmitStarted(NOW))


def events_of(*sorts: Event) -> list[RowEvent]:
    return [concrete(sort) for sort in sorts]


def test_a_problem_with_odd_characters_survives(checkpoint: Checkpoint) -> None:
    row = Row(5)
    for event in events_of(Event.SUBMIT_STARTED, Event.ACCEPTED, Event.GONE):
        row = put(checkpoint, row, event)
    (found,) = checkpoint.rows(State.FAILED)
    assert found.problem == PROBLEM
