"""The runs outlive the process; files of others are left alone."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from batchrun.errors import StorageError
from batchrun.simulator.simulated_run import Outcome, Run
from batchrun.simulator.store import Store
from tests.simulator.simulated import Service, content


def test_a_run_comes_back_as_it_was() -> None:
    run = Run("run_1", "w", '{"a": 1.0}', 1, 2, Outcome.STUCK, 3, "https://x.example/")
    with Store() as store:
        store.add(run)
        assert store.get("run_1") == run
        assert store.get("run_2") is None


def test_runs_survive_a_kill_and_go_on_by_the_wall_clock(tmp_path: Path) -> None:
    before = Service("duration=10", path=tmp_path / "simulator.db")
    run_id = before.submit({"a": 1})
    # What a killed process leaves behind are its files as they are at that moment, closed by nobody.
    shutil.copytree(tmp_path, tmp_path / "left")
    before.clock.advance(10)
    after = Service("duration=99", path=tmp_path / "left" / "simulator.db", clock=before.clock)
    assert after.run(run_id) == before.run(run_id)
    assert after.run(run_id)["status"] == "completed"
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


def test_faults_go_on_where_they_were_after_a_restart(tmp_path: Path) -> None:
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


def test_what_was_paid_for_twice_is_counted() -> None:
    service = Service()
    for row in (1, 2, 1, 1):
        service.submit({"id": row})
    assert service.store.counts() == (4, 2)


def test_the_file_is_private(tmp_path: Path) -> None:
    with Store(tmp_path / "simulator.db"):
        assert (tmp_path / "simulator.db").stat().st_mode & 0o077 == 0


def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE photos (name TEXT)")
    db.commit()
    db.close()
    before = path.read_bytes()
    with pytest.raises(StorageError, match="not a file of the simulator"):
        Store(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
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


def test_a_folder_that_is_not_there_is_reported_plainly(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be opened"):
        Store(tmp_path / "missing" / "simulator.db")


def test_a_store_that_fails_says_so() -> None:
    service = Service()
    service.store.close()
    with pytest.raises(StorageError, match="memory"):
        service.post()


def test_a_workflow_that_is_gone_after_a_restart_echoes(tmp_path: Path) -> None:
    first = Service("any_workflow=true", "duration=0", path=tmp_path / "simulator.db")
    run_id = content(first.post({"a": 1}, "mine"))["run_id"]
    first.store.close()
    second = Service(path=tmp_path / "simulator.db")
    assert second.run(run_id)["outputs"] == {"echo": {"a": 1}}
    second.store.close()
