"""Readers of a checkpoint, beside a writer, after it, and after it was killed."""

import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint import connection, reader, results_reader
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.states import State
from batchrun.errors import InputError, StorageError
from tests.contract.checkpoint_contents import everything, files
from tests.contract.row_lives import commit, life_to, opened


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


def test_a_completed_row_without_an_output_is_damage_and_no_empty_result(tmp_path: Path) -> None:
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.COMPLETED, 1), *life_to(State.RUNNING, 2))
    path = tmp_path / "checkpoint.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM outputs")
        db.commit()
    with (
        pytest.raises(StorageError, match="is damaged: a completed row has no output"),
        connection.open_reader(path) as reading,
    ):
        list(results_reader.result_rows(reading))


def test_a_run_id_that_is_not_the_one_that_was_recorded_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.db"
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.RUNNING, 1, "a-run"), *life_to(State.TIMED_OUT, 2, "another-run"))
    with connection.open_reader(path) as db:
        assert reader.row_of_unknown_run(db) is None
    for run_id in (b"a-run", b"another-run"):
        whole = path.read_bytes()
        assert whole.count(run_id) == 2  # in the table and in the index
        for changed in (whole.replace(run_id, run_id.upper(), 1), run_id.upper().join(whole.rsplit(run_id, 1))):
            path.write_bytes(changed)
            with connection.open_reader(path) as db:
                assert reader.row_of_unknown_run(db) == (1 if run_id == b"a-run" else 2)
        path.write_bytes(whole)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_what_was_touched(tmp_path: Path, count: int) -> None:
    with opened(tmp_path) as checkpoint:
        for number in range(count):
            commit(checkpoint, *life_to(State.FAILED, 2 * number))
        with connection.open_reader(tmp_path / "checkpoint.db") as db:
            assert reader.touched(db) == (count, 2 * count - 1 if count else 0)
            assert set(reader.between(db, 1, 3)) == ({2} if count > 1 else set())


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow within the block. (The system refuses that with another error than on a full disk.)"""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_closed_checkpoint_can_be_read_on_a_full_disk_and_no_files_stay_behind(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.db"
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.COMPLETED, 1))
    before = files(tmp_path)
    for _ in range(2):
        with full_disk():
            assert set(everything(path)) == {1}
        assert files(tmp_path) == before


def test_what_a_writer_failed_to_make_on_a_full_disk_is_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.db"
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.COMPLETED, 1))
    with full_disk():
        with pytest.raises(StorageError, match="disk I/O error"):
            Checkpoint(path)
        assert set(everything(path)) == {1}
    assert set(files(tmp_path)) == {"checkpoint.db"}


def test_a_log_with_records_is_not_passed_over_on_a_full_disk(tmp_path: Path) -> None:
    (killed := tmp_path / "killed").mkdir()
    with opened(tmp_path) as checkpoint:
        commit(checkpoint, *life_to(State.COMPLETED, 1))
        for name in ("checkpoint.db", "checkpoint.db-wal"):
            (killed / name).write_bytes((tmp_path / name).read_bytes())
    with full_disk(), pytest.raises(StorageError, match="disk I/O error"):
        everything(killed / "checkpoint.db")
    assert set(everything(killed / "checkpoint.db")) == {1}


def test_a_checkpoint_that_another_program_holds_is_not_read_past_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.db"
    opened(tmp_path).close()
    monkeypatch.setattr(connection, "BUSY_TIMEOUT_MS", 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageError, match=r"locked\. Another program holds it"), connection.open_reader(path):
            pytest.fail("it was read")  # pragma: no cover


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
