"""Runs survive the process, and files of other programs are left unchanged."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from batchrun.errors import StorageError
from batchrun.simulator.simulated_run import RunOutcome, SimulatedRun
from batchrun.simulator.store import Store
from tests.simulator.simulated import Service, content


def test_a_stored_run_is_read_back_unchanged() -> None:
    run = SimulatedRun("run_1", "w", '{"a": 1.0}', 1, 2, RunOutcome.STUCK, 3, "https://x.example/")
    with Store() as store:
        store.add(run)
        assert store.get("run_1") == run
        assert store.get("run_2") is None


def test_runs_survive_a_kill_and_continue_by_the_wall_clock(tmp_path: Path) -> None:
    before = Service("duration=10", path=tmp_path / "simulator.db")
    run_id = before.submit({"a": 1})
    # A killed process leaves its files as they are, without closing them.
    shutil.copytree(tmp_path, tmp_path / "left")
    before.clock.advance(10)
    after = Service("duration=99", path=tmp_path / "left" / "simulator.db", clock=before.clock)
    assert after.poll_ok(run_id) == before.poll_ok(run_id)
    assert after.poll_ok(run_id)["status"] == "completed"
    before.store.close()
    after.store.close()


def test_run_ids_never_repeat_even_for_the_same_row_after_a_restart(tmp_path: Path) -> None:
    seen = set()
    for _ in range(3):
        service = Service(path=tmp_path / "simulator.db")
        seen |= {service.submit({"id": number}) for number in (1, 1, 2)}
        service.store.close()
    assert len(seen) == 9
    assert all(run_id.removeprefix("run_").isalnum() for run_id in seen)


def test_faults_continue_after_a_restart(tmp_path: Path) -> None:
    whole = Service("error=0.5")
    expected = [whole.post({"id": 1}).status for _ in range(20)]
    seen = []
    for _ in range(20):
        service = Service("error=0.5", path=tmp_path / "simulator.db")
        seen.append(service.post({"id": 1}).status)
        service.store.close()
    assert seen == expected
    assert set(seen) == {200, 500}


def test_the_run_is_stored_before_the_answer_even_if_that_is_lost(tmp_path: Path) -> None:
    service = Service("lost=1", path=tmp_path / "simulator.db")
    assert service.post({"id": 1}).drop
    other = Store(tmp_path / "simulator.db")
    assert other.counts() == (1, 0)
    other.close()
    service.store.close()


def test_repeated_runs_are_counted() -> None:
    service = Service()
    for row in (1, 2, 1, 1):
        service.submit({"id": row})
    assert service.store.counts() == (4, 2)


def test_the_file_is_private(tmp_path: Path) -> None:
    with Store(tmp_path / "simulator.db"):
        assert (tmp_path / "simulator.db").stat().st_mode & 0o077 == 0


def test_the_database_of_another_program_is_left_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE photos (name TEXT)")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="not a file of the simulator"):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_that_is_not_a_database_is_left_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "simulator.db"
    path.write_text("not a database, but somebody's notes\n" * 100)
    with pytest.raises(StorageError, match=r"simulator\.db"):
        Store(path)
    assert path.read_text().startswith("not a database")


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "simulator.db"
    Store(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StorageError, match="another version"):
        Store(path)


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        Store(tmp_path / "missing" / "simulator.db")


def test_a_failing_store_raises_storage_error() -> None:
    service = Service()
    service.store.close()
    with pytest.raises(StorageError, match="memory"):
        service.post()


def test_a_workflow_that_is_missing_after_a_restart_echoes(tmp_path: Path) -> None:
    first = Service("any_workflow=true", "duration=0", path=tmp_path / "simulator.db")
    run_id = content(first.post({"a": 1}, "mine"))["run_id"]
    first.store.close()
    second = Service(path=tmp_path / "simulator.db")
    assert second.poll_ok(run_id)["outputs"] == {"echo": {"a": 1}}
    second.store.close()
