"""The first intents of rows have a table of their own: a row is there or in `rows`, and never lost between them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint import connection, evidence, reader, reuse_reader
from batchrun.adapters.checkpoint.report_reader import report_rows
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.events import Held, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State
from tests.contract.row_lives import NOW, commit, life_to, opened, put
from tests.support.earlier_checkpoint import make_earlier


@contextmanager
def database(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "checkpoint.db", isolation_level=None)) as db:
        yield db


def places(db: sqlite3.Connection) -> tuple[list[int], list[int]]:
    """The rows of `intents` and of `rows`."""
    intents, rows = ([row for (row,) in db.execute(f"SELECT row FROM {table} ORDER BY row")] for table in TABLES)
    return intents, rows


TABLES = ("intents", "rows")


@pytest.mark.parametrize("state", State)
def test_a_row_is_in_one_table_and_each_later_intent_changes_its_record(tmp_path: Path, state: State) -> None:
    with opened(tmp_path) as checkpoint, database(tmp_path) as db:
        first, *later = life_to(state, 1)
        assert commit(checkpoint, first) == [None]
        assert places(db) == ([1], [])
        for entry in later:
            assert commit(checkpoint, entry) == [None]
            assert places(db) == ([], [1])
        if state is State.QUEUED:
            again = put(checkpoint, later[-1].row, SubmitStarted(NOW + 1))
            assert places(db) == ([], [1])
            assert list(checkpoint.rows(State.SUBMITTING)) == [again]


def test_no_connection_can_remove_or_change_an_intent(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint, database(tmp_path) as db:
        commit(checkpoint, *life_to(State.SUBMITTING, 1))
        with pytest.raises(sqlite3.IntegrityError, match="a row is never deleted"):
            db.execute("DELETE FROM intents")
        with pytest.raises(sqlite3.IntegrityError, match="illegal transition"):
            db.execute("UPDATE intents SET attempts = 0")
        assert places(db) == ([1], [])


def test_rows_that_are_being_submitted_are_read_with_the_others_in_input_order(tmp_path: Path) -> None:
    states = [State.COMPLETED, State.SUBMITTING, State.RUNNING, State.SUBMITTING, State.IN_DOUBT]
    with opened(tmp_path) as checkpoint:
        for number, state in enumerate(states):
            commit(checkpoint, *life_to(state, number))
    with connection.open_reader(tmp_path / "checkpoint.db") as db:
        assert [row.state for row in reader.rows(db, *State)] == states
        assert [row.row for row in reader.rows(db, State.SUBMITTING)] == [1, 3]
        assert [row.state for row in reader.between(db, 1, 4).values()] == [State.RUNNING, *[State.SUBMITTING] * 2]
        assert [one.state for one in report_rows(db)] == states
        assert reader.count(db, [State.SUBMITTING, State.RUNNING]) == 3
        assert reader.doubts_since(db, NOW - 1) == 3
        assert reader.total(db, 9, 2) == 5
        assert reuse_reader.sent_and_open(db) == (1, 2)


def test_a_row_that_is_being_submitted_is_evidence_that_something_was_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        assert checkpoint.is_untouched()
        commit(checkpoint, *life_to(State.SUBMITTING, 0))
        assert not checkpoint.is_untouched()
        assert not checkpoint.was_only_refused()
        assert not checkpoint.read(evidence.was_nothing_accepted)


def test_a_later_job_holds_the_row_that_an_earlier_one_was_submitting(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        put(checkpoint, Row(4), SubmitStarted(NOW, b"k" * 16))
    with connection.open_reader(tmp_path / "checkpoint.db") as db:
        reuse_reader.index_reuse_keys(db)
        found = reuse_reader.open_with(db, b"k" * 16, "before")
        assert isinstance(found, Held)
        assert "row 4 of before is in doubt" in found.problem.message


def test_an_intent_of_the_version_before_is_read_as_it_is_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.db"
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.SUBMITTING, 0), *life_to(State.COMPLETED, 1))
    before = decide(Row(0), SubmitStarted(NOW))
    make_earlier(path, 9)
    with connection.open_reader(path) as db:
        assert list(reader.rows(db, State.SUBMITTING)) == [before]
    with Checkpoint(path) as checkpoint:
        assert list(checkpoint.rows(State.SUBMITTING)) == [before]
        *_, accepted = life_to(State.RUNNING, 0)
        assert commit(checkpoint, accepted) == [None]
        assert list(checkpoint.rows(State.RUNNING)) == [accepted.row]
