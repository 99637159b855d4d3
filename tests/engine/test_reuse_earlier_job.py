"""The earlier job of `--reuse`: under way, moved, missing or unusable, and deaths during the reuse."""

import os
import shutil
import sqlite3
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from batchrun.adapters.files.lock import owned
from batchrun.app.pinned_job import load_job
from batchrun.errors import InputError, JobBusyError, StorageError
from batchrun.ports import Request
from tests.engine.nightly_jobs import files, night, sources
from tests.support.rehearsal import Rehearsal

# -- the earlier job


def test_an_unfinished_job_provides_its_completed_rows_and_is_not_changed(tmp_path: Path) -> None:
    first = night(tmp_path, "mon", 30, "stuck=0.4")
    running = first.run(max_runtime="5s", rps=5).running
    completed = len(first.outputs())
    assert 0 < completed < completed + running < 30
    before = files(tmp_path / "mon")
    second = night(tmp_path, "tue", 30, reuse="mon")
    assert second.run().reused == completed
    assert len(second.posts()) == 30 - completed - running
    assert files(tmp_path / "mon") == before


def test_the_earlier_job_may_be_given_changed_and_dropped_between_sessions(tmp_path: Path) -> None:
    night(tmp_path, "mon", 4).run()
    night(tmp_path, "tue", [{"id": str(number)} for number in range(4, 8)]).run()
    rehearsal = night(tmp_path, "wed", 10)
    rehearsal.run(limit=2)
    assert rehearsal.run(limit=4, reuse=tmp_path / "mon" / "job").reused == 2
    assert rehearsal.run(limit=6, reuse=tmp_path / "tue" / "job").reused == 4
    summary = rehearsal.run()
    assert (summary.reused, len(rehearsal.posts())) == (4, 6)
    mon, tue = (str(tmp_path / name / "job") for name in ("mon", "tue"))
    assert list(sources(rehearsal).values()) == [None, None, mon, mon, tue, tue, None, None, None, None]


def test_the_checkpoint_of_the_earlier_job_may_be_elsewhere(tmp_path: Path) -> None:
    night(tmp_path, "mon", 4).run(checkpoint_dir=tmp_path / "local")
    assert night(tmp_path, "tue", 4, reuse="mon").run().reused == 4


def test_a_row_that_was_sent_is_not_reused(tmp_path: Path) -> None:
    """Its own run may be in progress: the row is polled, or in doubt, as usual."""
    night(tmp_path, "mon", 20).run()
    rehearsal = night(tmp_path, "tue", 20, "duration=30", "fault=garbage:id=1")
    rehearsal.run(max_runtime="1s", rps=5)
    sent = len(rehearsal.posts())
    assert 2 < sent < 20
    summary = rehearsal.run(reuse=tmp_path / "mon" / "job")
    assert (summary.reused, summary.in_doubt, len(rehearsal.posts())) == (20 - sent, 1, sent)


# -- mistakes


def _resumed(folder: Path) -> dict[str, Any]:
    return load_job(folder / "job").model_dump()


def test_a_missing_earlier_job_matters_only_while_rows_are_unsent(tmp_path: Path) -> None:
    night(tmp_path, "mon", 4).run()
    rehearsal = night(tmp_path, "tue", 8, reuse="mon")
    rehearsal.run(limit=6)
    (tmp_path / "mon").rename(tmp_path / "gone")
    with pytest.raises(InputError, match=r"(?s)--reuse .*mon/job: holds no job.*leave it out"):
        rehearsal.run(**_resumed(tmp_path / "tue") | {"limit": None})
    assert rehearsal.run(**_resumed(tmp_path / "tue")).exit_code == 0
    del rehearsal.options["reuse"]
    assert rehearsal.run().completed == 8
    assert "reuse" not in (tmp_path / "tue" / "job" / "job.toml").read_text()
    assert rehearsal.run(**_resumed(tmp_path / "tue")).reused == 4


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"key": None}, "needs --key COLUMN"),
        ({"reuse": Path("{}/tue/job")}, "is this job's own directory"),
        ({"reuse": Path("{}/nowhere")}, "nowhere: holds no job"),
        ({"reuse": Path("{}/keyless")}, "keyless: its job has no --key"),
        ({"workflow_id": "penguin"}, "was: --workflow-id echo; now: --workflow-id penguin"),
        ({"base_url": "https://other"}, "was: --base-url https://api.coze.cn; now: --base-url https://other"),
        ({"simulate": True}, "this job was run without --simulate, now it is run with it"),
        ({"reuse": Path("{}/old")}, "a version of batchrun that did not mark them"),
    ],
    ids=str,
)
def test_an_unusable_earlier_job_is_refused_before_anything_is_created(
    tmp_path: Path, options: dict[str, Any], words: str
) -> None:
    first = night(tmp_path, "mon", 3)
    first.run()
    first.run(out=tmp_path / "keyless", key=None)
    first.run(out=tmp_path / "old")
    with sqlite3.connect(tmp_path / "old" / "checkpoint.db") as db:
        db.execute("DELETE FROM reuse_keys")
    db.close()
    rehearsal = night(tmp_path, "tue", 3, reuse="mon")
    before = files(tmp_path)
    for name, value in options.items():
        rehearsal.options[name] = Path(str(value).format(tmp_path)) if isinstance(value, Path) else value
    with pytest.raises(InputError, match=words) as refused:
        rehearsal.run(skip=["nope"])
    assert "--skip nope" in str(refused.value), "all mistakes at once"
    assert files(tmp_path) == before
    assert not (tmp_path / "tue" / "job").exists()
    assert rehearsal.requests == []


# -- interruptions


OLD, NEW = 6, 10
CHANGES = 30


def _two_nights(folder: Path) -> Rehearsal:
    rows = [{"id": str(number)} for number in (8, 0, 1, 6, 2, 3, 7, 4, 5, 9)]
    night(folder, "mon", OLD).run()
    rehearsal = night(folder, "tue", rows, "fault=fail:id=7", reuse="mon")
    rehearsal.options |= {"rps": 3}
    return rehearsal


@cache
def undisturbed() -> tuple[dict[int, tuple[str, str | None]], dict[int, str | None]]:
    with TemporaryDirectory() as folder:
        rehearsal = _two_nights(Path(folder))
        rehearsal.run()
        return rehearsal.row_results(), {row: source and "mon" for row, source in sources(rehearsal).items()}


def test_the_uninterrupted_job_has_several_results_and_fewer_changes_than_are_tried(tmp_path: Path) -> None:
    rehearsal = _two_nights(tmp_path)
    summary = rehearsal.run(kill_after=CHANGES)
    assert (summary.exit_code, summary.reused) == (3, OLD), "raise CHANGES"


@pytest.mark.parametrize("changes", range(1, CHANGES))
def test_a_job_killed_during_reuse_goes_on_and_pays_for_no_row_twice(tmp_path: Path, changes: int) -> None:
    rehearsal = _two_nights(tmp_path)
    rehearsal.run(kill_after=changes)
    rehearsal.clock.jump(5)
    summary = rehearsal.run()
    row_results, taken = undisturbed()
    doubtful = {row for row, result in rehearsal.row_results().items() if result[0] == "in_doubt"}
    assert {row: result for row, result in rehearsal.row_results().items() if row not in doubtful} == {
        row: result for row, result in row_results.items() if row not in doubtful
    }
    assert {row: source and "mon" for row, source in sources(rehearsal).items()} == {
        row: source for row, source in taken.items() if row not in doubtful
    }
    assert (summary.rows, summary.reused) == (NEW, OLD)
    assert len(rehearsal.posts()) == summary.submissions <= NEW - OLD
    assert rehearsal.simulator.stats()["runs_repeated"] == 0


def test_the_earlier_job_may_vanish_while_its_rows_are_reused(tmp_path: Path) -> None:
    """It is already open then. The next command finds it missing."""
    night(tmp_path, "mon", 4).run()
    rehearsal = night(tmp_path, "tue", [{"id": str(number)} for number in (9, 0, 1, 2, 3)], reuse="mon")

    def remove(_request: Request) -> None:
        if (tmp_path / "mon").exists():
            (tmp_path / "mon").rename(tmp_path / "gone")

    rehearsal.answer = remove
    assert rehearsal.run().reused == 4


def test_a_job_that_is_at_work_is_refused(tmp_path: Path) -> None:
    first = night(tmp_path, "mon", 4)
    first.run()
    second = night(tmp_path, "tue", 4, reuse="mon")
    with (
        owned(tmp_path / "mon" / "job" / "checkpoint.lock"),
        pytest.raises(JobBusyError, match=f"process {os.getpid()} is working on that job"),
    ):
        second.run()
    assert second.run().reused == 4


@pytest.mark.parametrize("pattern", ["*/job", "mon/job"])
def test_a_damaged_job_is_not_passed_over(tmp_path: Path, pattern: str) -> None:
    night(tmp_path, "mon", 4).run()
    (tmp_path / "mon" / "job" / "checkpoint.db").write_bytes(b"no database" * 1000)
    second = night(tmp_path, "tue", 4)
    with pytest.raises((InputError, StorageError), match="mon"):
        second.run(reuse=tmp_path / pattern)
    assert not second.posts()


def test_a_job_without_its_job_file_is_no_empty_folder(tmp_path: Path) -> None:
    night(tmp_path, "mon", 4).run()
    (tmp_path / "mon" / "job" / "job.toml").unlink()
    with pytest.raises(InputError, match=r"holds no job \(no job\.toml\)"):
        night(tmp_path, "tue", 4, reuse="mon").run()


def test_a_finished_job_needs_no_earlier_job(tmp_path: Path) -> None:
    night(tmp_path, "mon", 4).run()
    second = night(tmp_path, "tue", 5, "fault=reject:id=4", reuse="mon")
    assert (second.run().reused, second.run().exit_code) == (4, 3)
    shutil.rmtree(tmp_path / "mon")
    assert second.run().exit_code == 3
    second.serve("duration=1")
    assert second.retry().completed == 5
