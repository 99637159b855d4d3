"""Checkpoints of earlier versions of batchrun: they can be read unchanged, and are upgraded when opened for writing."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint import connection, reader, results_reader, reuse_reader, session_reader
from batchrun.adapters.checkpoint.schema import TRANSITIONS, VERSION
from batchrun.adapters.checkpoint.upgrades import UPGRADES
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.answers import RunDetails
from batchrun.domain.events import RunCompleted
from batchrun.domain.row import Row
from batchrun.domain.states import Event, State, cells
from batchrun.errors import StorageError
from tests.contract.row_lives import NOW, PROBLEM, commit, concrete, life_to, opened, put

FIRST = Path(__file__).with_name("version_1.sql").read_text("utf-8")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "checkpoint.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST)
        db.execute("PRAGMA journal_mode = WAL")
    return path


def tables(path: Path) -> dict[str, str]:
    """Every table, index and trigger as it is declared."""
    with closing(sqlite3.connect(path)) as db:
        return dict(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


def transitions(path: Path, table: str = "transitions") -> set[tuple[str, str, str]]:
    with closing(sqlite3.connect(path)) as db:
        return set(db.execute(f"SELECT * FROM {table}"))


def events(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        return [event for (event,) in db.execute("SELECT event FROM rows ORDER BY row")]


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("PRAGMA user_version").fetchone()[0])


def test_it_is_read_as_it_is_and_stays_what_it_is(path: Path) -> None:
    before = path.read_bytes()
    with connection.open_reader(path) as db:
        assert [row.state for row in reader.rows(db, *State)] == list(State)
        tally = reader.tally(db, 9)
        assert (tally[State.QUEUED], tally[State.COMPLETED], tally.reused, tally.worked) == (3, 1, 0, 3)
        shown = {3: '{"a": 1}', 4: None, 5: None, 6: None}
        assert {one.row: one.output for one in results_reader.result_rows(db)} == shown
        assert {one.reused_from for one in results_reader.result_rows(db)} == {None}
        assert reuse_reader.has_no_reuse_keys(db)
        reuse_reader.index_reuse_keys(db)
        assert reuse_reader.completed_with(db, b"m" * 16, "here") is None
    assert path.read_bytes() == before
    assert version(path) == 1


def test_it_becomes_what_a_new_one_is_and_keeps_every_row(path: Path, tmp_path: Path) -> None:
    with connection.open_reader(path) as db:
        before = list(results_reader.result_rows(db)), list(reader.rows(db, *State)), session_reader.sessions(db)
    with Checkpoint(path):
        pass
    with connection.open_reader(path) as db:
        assert (
            list(results_reader.result_rows(db)),
            list(reader.rows(db, *State)),
            session_reader.sessions(db),
        ) == before
    (tmp_path / "new").mkdir()
    opened(tmp_path / "new").close()
    assert tables(path) == tables(tmp_path / "new" / "checkpoint.db")
    assert transitions(path) == set(cells())
    assert set(events(path)) <= set(Event)
    assert version(path) == VERSION == 10


def test_a_row_of_every_version_before_is_found_by_its_reuse_key(path: Path) -> None:
    """The table of reuse keys had another name until version 4. A reader supports it without an upgrade."""
    with closing(sqlite3.connect(path)) as db:
        for upgrade in UPGRADES[1:4]:
            db.executescript(upgrade)
        db.execute("PRAGMA user_version = 4")
        db.execute("INSERT INTO marks SELECT row, ? FROM rows WHERE state = 'completed'", (b"k" * 16,))
        db.commit()
    for _ in "as it is", "upgraded":
        with connection.open_reader(path) as db:
            reuse_reader.index_reuse_keys(db)
            found = reuse_reader.completed_with(db, b"k" * 16, "here")
            assert found is not None
            assert found.output == '{"a": 1}'
        Checkpoint(path).close()


def test_the_versions_before_details_are_read_as_they_are_and_then_take_them(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        for upgrade in UPGRADES[1:5]:
            db.executescript(upgrade)
        db.executemany("INSERT INTO transitions VALUES (?, ?, ?)", TRANSITIONS)
        db.execute("PRAGMA user_version = 5")
        db.commit()
    before = path.read_bytes()
    with connection.open_reader(path) as db:
        assert {row.details for row in reader.rows(db, *State)} == {None}
        assert db.execute("SELECT * FROM token_totals").fetchall() == [(None, None, None)]
    assert path.read_bytes() == before
    with opened(path.parent) as checkpoint:
        [row] = checkpoint.rows(State.RUNNING)
        told = put(checkpoint, row, RunCompleted("completed", "1", NOW, details=RunDetails("log", None, 3, 4, 7)))
    with connection.open_reader(path) as db:
        assert reader.between(db, row.row, row.row + 1) == {row.row: told}
        assert told.details == RunDetails("log", None, 3, 4, 7)
        assert db.execute("SELECT * FROM token_totals").fetchall() == [(3, 4, 7)]


def test_it_then_takes_what_that_version_did_not_know(path: Path) -> None:
    with opened(path.parent) as checkpoint:
        put(checkpoint, Row(0, intent_at=NOW), concrete(Event.REUSED))
        put(checkpoint, Row(10), concrete(Event.REUSED, "run-3"))
        assert commit(checkpoint, *life_to(State.COMPLETED, 11)) == [None] * 3
        assert (checkpoint.tally(12).reused, checkpoint.tally(12)[State.COMPLETED]) == (2, 4)
    with connection.open_reader(path) as db:
        sources = {one.row: one.reused_from for one in results_reader.result_rows(db) if one.reused_from}
        assert sources == dict.fromkeys((0, 10), "/jobs/last")
        assert PROBLEM.kind in reader.tally(db, 12).kinds


def test_it_becomes_so_whole_or_not_at_all(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE reused (stands INTEGER, in_the_way INTEGER)")
    before = tables(path), transitions(path, "life"), events(path)
    with pytest.raises(StorageError, match="is damaged: table reused already exists"):
        Checkpoint(path)
    assert (tables(path), transitions(path, "life"), events(path)) == before
    assert version(path) == 1
