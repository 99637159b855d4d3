"""The files of the checkpoint: permissions, foreign databases, a full disk, a crash."""

import resource
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.upgrades import TRIGGERS
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.counters import Counters
from batchrun.domain.events import RowEvent, RunCompleted, SubmitStarted
from batchrun.domain.row import Row
from batchrun.domain.states import Event, State
from batchrun.errors import InputError, StorageError
from batchrun.simulator.store import Store
from tests.contract.checkpoint_contents import everything
from tests.contract.row_lives import NOW, PROBLEM, commit, concrete, life_to, opened, put

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


def test_a_checkpoint_without_a_version_is_damaged_and_not_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.db"
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.COMPLETED, 1))
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 0")
    before = path.read_bytes()
    with pytest.raises(StorageError, match="is damaged: it has tables, but no version"):
        Checkpoint(path)
    with pytest.raises(StorageError, match="is damaged"), connection.open_reader(path):
        pass
    assert path.read_bytes() == before


@pytest.mark.parametrize("change", ["DROP TABLE uploads", "ALTER TABLE session RENAME COLUMN polls TO polks"])
def test_tables_that_are_not_as_they_were_created_are_damage(tmp_path: Path, change: str) -> None:
    opened(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "checkpoint.db")) as db:
        db.execute(change)
    with pytest.raises(StorageError, match=r"is damaged: (uploads|session) is missing, or declared in another way"):
        Checkpoint(tmp_path / "checkpoint.db")


def test_what_another_program_has_added_is_no_damage(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "checkpoint.db")) as db:
        db.executescript("CREATE INDEX browsed ON rows (status); ANALYZE; CREATE TABLE notes (text)")
    opened(tmp_path).close()


def test_where_it_cannot_be_opened_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.db").mkdir()
    with pytest.raises(StorageError, match=r"checkpoint\.db: cannot be opened"):
        Checkpoint(tmp_path / "checkpoint.db")
    with pytest.raises(StorageError, match="cannot be opened"):
        Checkpoint(tmp_path / "no" / "such" / "checkpoint.db")


@pytest.mark.parametrize("name", sorted(TRIGGERS))
def test_triggers_that_another_program_has_removed_are_missed(tmp_path: Path, name: str) -> None:
    path = tmp_path / "checkpoint.db"
    opened(tmp_path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"DROP TRIGGER {name}")
    with pytest.raises(StorageError, match=f"another program has removed its trigger {name}"):
        Checkpoint(path)


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


def test_a_full_disk_is_reported_and_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged = set()
    with opened(tmp_path) as checkpoint, full_disk(1_000_000):
        for number in range(100):
            *before, last = life_to(State.COMPLETED, number)
            results = commit(checkpoint, *before, Entry(last.row, RunCompleted("completed", "x" * 50_000, NOW)))
            if results[-1] is None:
                acknowledged.add(number)
            else:
                assert isinstance(results[-1], StorageError)
                assert "Make room" in str(results[-1])
        assert checkpoint.is_full
    assert 1 < len(acknowledged) < 100
    found = everything(tmp_path / "checkpoint.db")
    assert {row for row, (_, output) in found.items() if output is not None} == acknowledged
    assert {output for _, output in found.values()} - {None} == {"x" * 50_000}
    with opened(tmp_path) as again:
        assert set(commit(again, *life_to(State.COMPLETED, 1000))) == {None}


@pytest.mark.parametrize("door", ["set_meta", "begin_session", "end_session"])
def test_on_a_full_disk_every_door_says_so(tmp_path: Path, door: str) -> None:
    with opened(tmp_path) as checkpoint:
        size = (tmp_path / "checkpoint.db-wal").stat().st_size
        with full_disk(size), pytest.raises(StorageError, match=r"checkpoint\.db: cannot be written: .*Make room"):
            match door:
                case "set_meta":
                    checkpoint.set_meta(a="x" * 100_000)
                case "begin_session":
                    checkpoint.begin_session(NOW, "x" * 100_000)
                case _:
                    checkpoint.end_session(NOW, 0, Counters(1, 1, 1), 1.0)


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


@pytest.mark.parametrize("name", ["file:run", "file:run?mode=memory", ":memory:", "a?b#c%41", "-dash"])
def test_a_path_is_never_read_as_a_uri(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("run", name):
        Path(folder).mkdir()
        with Checkpoint(Path(folder) / "checkpoint.db") as checkpoint:
            checkpoint.set_meta(folder=folder)
        Store(Path(folder) / "simulator.db").close()
    for folder in ("run", name):
        with connection.open_reader(Path(folder) / "checkpoint.db") as db:
            assert reader.meta(db)["folder"] == folder
        assert sorted(path.name for path in Path(folder).iterdir()) == ["checkpoint.db", "simulator.db"]
