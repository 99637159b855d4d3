"""A run directory that is moved, removed or replaced while its job runs."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.summary import Summary
from tests.support.rehearsal import Rehearsal

ROWS, AT = 100, 0.5
"""At 50 rows a second, some 25 are sent before the directory changes."""


def displaced(folder: Path, change: Callable[[Path], None], **options: object) -> tuple[Rehearsal, Summary]:
    rehearsal = Rehearsal(folder, ROWS, "duration=0.1")
    rehearsal.scheduled = [(AT, lambda: change(folder / "job"))]
    summary = rehearsal.run(**options)  # type: ignore[arg-type]
    assert summary.exit_code == 74
    times = [at for at, _ in rehearsal.posts()]
    assert max(times) - min(times) < AT + 0.5
    return rehearsal, summary


def move(job: Path) -> None:
    job.rename(job.with_name("moved"))


def test_a_directory_that_was_moved_is_not_written_to_at_its_old_place(tmp_path: Path) -> None:
    rehearsal, summary = displaced(tmp_path, move)
    assert summary.reason == f"{tmp_path}/job: was moved to {tmp_path}/moved while the job was running"
    assert not (tmp_path / "job").exists()
    assert summary.folder == str(tmp_path / "moved")
    assert summary.submissions == len(rehearsal.posts())
    assert rehearsal.run(out=tmp_path / "moved").completed == ROWS
    rows = [rehearsal.row_of(body) for _, body in rehearsal.posts()]
    assert sorted(rows) == list(range(ROWS))


def test_a_new_job_at_the_old_place_is_left_alone(tmp_path: Path) -> None:
    """That SQLite does not delete the new job's log when it closes the old database is relied on."""
    new_jobs: list[Checkpoint] = []

    def replace(job: Path) -> None:
        move(job)
        job.mkdir()
        new_jobs.append(Checkpoint(job / "checkpoint.db"))

    displaced(tmp_path, replace)
    log = tmp_path / "job" / "checkpoint.db-wal"
    assert sorted(path.name for path in log.parent.iterdir()) == [
        "checkpoint.db", "checkpoint.db-shm", "checkpoint.db-wal",
    ]  # fmt: skip
    new_jobs[0].set_meta(still="recorded")
    assert b"still" in log.read_bytes()
    new_jobs[0].close()


def copy_over(job: Path) -> None:
    shutil.copytree(job, job.with_name("copy"))
    shutil.rmtree(job)
    job.with_name("copy").rename(job)


def new_inode(path: Path) -> None:
    shutil.copyfile(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def put_file(job: Path) -> None:
    move(job)
    job.touch()


def put_link(job: Path) -> None:
    move(job)
    job.with_name("x").mkdir()
    job.symlink_to("x")


def make_empty(job: Path) -> None:
    for path in job.iterdir():
        path.unlink()


CHANGES: dict[str, Callable[[Path], None]] = {
    "removed": shutil.rmtree,
    "replaced by a copy": copy_over,
    "replaced by a file": put_file,
    "replaced by a link to another": put_link,
    "the lock is removed": lambda job: (job / "checkpoint.lock").unlink(),
    "emptied": make_empty,
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_more_is_sent_and_no_result_is_written(tmp_path: Path, change: str) -> None:
    rehearsal, summary = displaced(tmp_path, CHANGES[change])
    assert summary.submissions == len(rehearsal.posts())
    assert "while the job was running" in str(summary.reason)
    job = tmp_path / "job"
    if job.is_dir():
        assert not {"outputs.parquet", "errors.parquet", "summary.json"} & {path.name for path in job.iterdir()}


WITHOUT_CHECKPOINT: dict[str, Callable[[Path], None]] = {
    "removed": lambda job: (job / "checkpoint.db").unlink(),
    "replaced": lambda job: new_inode(job / "checkpoint.db"),
    "without its log": lambda job: (job / "checkpoint.db-wal").unlink(),
}


@pytest.mark.parametrize("change", WITHOUT_CHECKPOINT)
def test_without_its_checkpoint_no_more_is_sent_and_what_was_paid_for_is_written(tmp_path: Path, change: str) -> None:
    rehearsal, summary = displaced(tmp_path, WITHOUT_CHECKPOINT[change], poll_initial=0.1)
    assert summary.submissions == len(rehearsal.posts())
    assert "while the job was running" in str(summary.reason)
    assert len(rehearsal.outputs()) == summary.completed > 0
    assert (tmp_path / "job" / "summary.json").exists()


def test_a_database_that_is_emptied_is_noticed(tmp_path: Path) -> None:
    rehearsal, summary = displaced(tmp_path, lambda job: os.truncate(job / "checkpoint.db", 0))
    assert summary.submissions == len(rehearsal.posts())
    assert "checkpoint.db: was removed or replaced while the job was running" in str(summary.reason)


def test_a_checkpoint_elsewhere_is_watched_too(tmp_path: Path) -> None:
    _, summary = displaced(
        tmp_path, lambda _: move(tmp_path / "local" / "job"), checkpoint_dir=tmp_path / "local" / "job"
    )
    assert f"{tmp_path}/local/job: was moved to {tmp_path}/local/moved" in str(summary.reason)


def test_a_directory_that_is_moved_away_and_back_is_still_the_same(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=0.1")

    def there_and_back() -> None:
        move(tmp_path / "job")
        os.rename(tmp_path / "moved", tmp_path / "job")  # noqa: PTH104 - as short as it can be

    rehearsal.scheduled = [(AT, there_and_back)]
    assert rehearsal.run().exit_code == 0
