"""A checkpoint that is lost, damaged, or of another job is not taken for a new job. See also `damage`."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.progress_file import read_progress
from batchrun.app.check import check
from batchrun.app.export import export
from batchrun.app.python_api import resume
from batchrun.app.status import status
from batchrun.domain.states import State
from batchrun.errors import InputError
from batchrun.job import build_job
from tests.support.rehearsal import Rehearsal

ROWS = 30


def killed(folder: Path, delay: float = 0.0) -> Rehearsal:
    """A job whose process was killed in the middle: the run directory as it was at that moment.

    `delay`: seconds before the job starts.
    """
    rehearsal, job = Rehearsal(folder, ROWS, "duration=1"), folder / "job"
    rehearsal.clock.jump(delay)
    sent: list[int] = []

    def snapshot() -> None:
        shutil.copytree(job, folder / "snapshot")
        sent.append(len(rehearsal.requests))

    rehearsal.scheduled = [(0.3, snapshot)]
    rehearsal.run()
    shutil.rmtree(job)
    (folder / "snapshot").rename(job)
    del rehearsal.requests[sent[0] :]
    assert (job / "checkpoint.db-wal").stat().st_size > 0
    assert 0 < len(rehearsal.posts()) < ROWS
    return rehearsal


def empty(job: Path) -> None:
    (job / "checkpoint.db-wal").unlink()
    (job / "checkpoint.db").write_bytes(b"")


def delete(job: Path) -> None:
    (job / "checkpoint.db-wal").unlink()
    (job / "checkpoint.db").unlink()


def copy_database_alone(job: Path) -> None:
    (job / "checkpoint.db-wal").unlink()
    (job / "progress.json").unlink()


def delete_with_progress(job: Path) -> None:
    delete(job)
    (job / "progress.json").unlink()


def lose_log(job: Path) -> None:
    (job / "checkpoint.db-wal").unlink()


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def flip_log(job: Path) -> None:
    flip(job / "checkpoint.db-wal", 32 + 24 + 100)


def another_database(job: Path) -> None:
    (job / "checkpoint.db-wal").unlink()
    shutil.copyfile(job.parent / "other" / "job" / "checkpoint.db", job / "checkpoint.db")


def another_log(job: Path) -> None:
    shutil.copyfile(job.parent / "other" / "job" / "checkpoint.db-wal", job / "checkpoint.db-wal")


LOSSES: list[tuple[Callable[[Path], None], str]] = [
    (empty, "is empty"),
    (delete, "is gone"),
    (lose_log, "has lost records"),
    (flip_log, "has lost records"),
    (another_database, "is of another job"),
    (another_log, "is of another job|is damaged"),
]


@pytest.mark.parametrize(("lose", "reason"), LOSSES)
def test_nothing_is_sent_and_nothing_is_changed(tmp_path: Path, lose: Callable[[Path], None], reason: str) -> None:
    rehearsal, job = killed(tmp_path), tmp_path / "job"
    (tmp_path / "other").mkdir()
    killed(tmp_path / "other", delay=0.001)
    lose(job)
    sent = len(rehearsal.posts())
    before = {path.name: path.read_bytes() for path in job.iterdir() if not path.name.endswith("-shm")}
    advice = f"(?s)job: .*({reason}).*batchrun export .*--in-doubt hold.* row"
    for options in ({"in_doubt": "hold"}, {"in_doubt": "resubmit"}):
        with pytest.raises(InputError, match=advice):
            rehearsal.run(**options)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=advice):
        rehearsal.retry()
    with pytest.raises(InputError, match=reason):
        check(build_job(rehearsal.options), "token", fresh=False, look_up=False)
    assert {path.name: path.read_bytes() for path in job.iterdir() if not path.name.endswith("-shm")} == before
    assert len(rehearsal.posts()) == sent


@pytest.mark.parametrize("lose", [empty, delete, lose_log, flip_log])
def test_if_accepted_every_row_that_may_have_been_sent_is_in_doubt(
    tmp_path: Path, lose: Callable[[Path], None]
) -> None:
    rehearsal, job = killed(tmp_path), tmp_path / "job"
    sent = {rehearsal.row_of(body) for _, body in rehearsal.posts()}
    lose(job)
    summary = rehearsal.run(accept_loss=True)
    bodies = [rehearsal.row_of(body) for _, body in rehearsal.posts()]
    assert len(bodies) == len(set(bodies))
    assert summary.completed + summary.in_doubt == ROWS
    with connection.open_reader(job / "checkpoint.db") as db:
        doubtful = {row.row for row in reader.rows(db, State.IN_DOUBT)}
    assert doubtful
    assert len(doubtful - sent) <= 1  # its intent was recorded
    assert doubtful.union(bodies) == set(range(ROWS))
    assert rehearsal.run().in_doubt == summary.in_doubt
    assert rehearsal.run(in_doubt="resubmit").completed == ROWS


def test_without_any_word_how_far_it_was_every_row_is_in_doubt(tmp_path: Path) -> None:
    rehearsal = killed(tmp_path)
    delete_with_progress(tmp_path / "job")
    with pytest.raises(InputError, match="every row that is not recorded"):
        rehearsal.run()
    sent = len(rehearsal.posts())
    summary = rehearsal.run(accept_loss=True)
    assert (summary.in_doubt, len(rehearsal.posts())) == (ROWS, sent)


def test_fresh_sets_a_lost_job_aside(tmp_path: Path) -> None:
    rehearsal = killed(tmp_path)
    delete(tmp_path / "job")
    assert rehearsal.run(fresh=True).completed == ROWS
    (aside,) = tmp_path.glob("job.*Z")
    assert (aside / "progress.json").exists()


def test_older_results_are_kept_when_a_loss_is_accepted(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    rehearsal.run()
    before = (tmp_path / "job" / "outputs.parquet").read_bytes()
    (tmp_path / "job" / "checkpoint.db").unlink()
    assert rehearsal.run(accept_loss=True).in_doubt == 5
    (aside,) = (tmp_path / "job").glob("outputs.*Z.parquet")
    assert aside.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"\0" * 256, b"{", b'{"job_id": 5}'])
def test_a_progress_file_without_contents_counts_as_none(tmp_path: Path, content: bytes) -> None:
    """A power failure may leave it so."""
    rehearsal = killed(tmp_path)
    (tmp_path / "job" / "progress.json").write_bytes(content)
    assert rehearsal.run().completed + len(rehearsal.errors()) == ROWS
    progress = read_progress(tmp_path / "job" / "progress.json")
    assert progress is not None
    assert progress.rows == ROWS


def test_a_job_of_before_goes_on_and_gets_a_progress_file(tmp_path: Path) -> None:
    rehearsal = killed(tmp_path)
    (tmp_path / "job" / "progress.json").unlink()
    with closing(sqlite3.connect(tmp_path / "job" / "checkpoint.db", isolation_level=None)) as db:
        db.execute("DELETE FROM meta WHERE name IN ('job_id', 'keeps_progress')")
    rehearsal.run()
    assert read_progress(tmp_path / "job" / "progress.json") is not None
    (tmp_path / "job" / "checkpoint.db").unlink()
    with pytest.raises(InputError, match="is gone"):
        rehearsal.run()


def test_a_checkpoint_elsewhere_that_is_gone_with_its_folder(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5, "duration=1")
    rehearsal.run(checkpoint_dir=tmp_path / "local", max_runtime=0.05)
    shutil.rmtree(tmp_path / "local")
    choices: list[dict[str, Any]] = [{}, {"checkpoint_dir": tmp_path / "local"}]
    for options in choices:
        with pytest.raises(InputError, match="is gone"):
            rehearsal.run(**options)
    (tmp_path / "local").mkdir()
    (tmp_path / "second").mkdir()
    second = Rehearsal(tmp_path / "second", 5, "duration=1")
    second.run(checkpoint_dir=tmp_path / "local", input=rehearsal.input)
    with pytest.raises(InputError, match="of another job"):
        rehearsal.run()
    assert rehearsal.run(fresh=True, checkpoint_dir=tmp_path / "local").completed == 5


def test_what_is_left_can_be_exported(tmp_path: Path) -> None:
    killed(tmp_path)
    lose_log(tmp_path / "job")
    export(tmp_path / "job", tmp_path / "left")
    assert (tmp_path / "left" / "outputs.parquet").exists()


def test_the_library_resumes_with_a_decision_about_rows_in_doubt(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    rehearsal.run(simulate=True, api="v1")
    (tmp_path / "job" / "checkpoint.db").unlink()
    with pytest.raises(InputError, match="is gone"):
        resume(tmp_path / "job")
    assert resume(tmp_path / "job", in_doubt="fail").errors_by_kind == {"in_doubt": 3}


def test_of_a_killed_job_only_the_database_was_copied(tmp_path: Path) -> None:
    rehearsal = killed(tmp_path)
    copy_database_alone(tmp_path / "job")
    posts = len(rehearsal.posts())
    with pytest.raises(
        InputError, match=r"progress\.json and its checkpoint\.db-wal are missing, and the last session"
    ):
        rehearsal.run()
    assert rehearsal.run(in_doubt="hold", accept_loss=True).in_doubt == ROWS
    assert len(rehearsal.posts()) == posts


def test_a_lost_folder_of_the_checkpoint_leaves_every_row_in_doubt(tmp_path: Path) -> None:
    rehearsal, local, job = Rehearsal(tmp_path, ROWS, "duration=1"), tmp_path / "local", tmp_path / "job"
    rehearsal.options["checkpoint_dir"] = local

    def lose() -> None:
        shutil.copytree(job, tmp_path / "snapshot")

    rehearsal.scheduled = [(0.3, lose)]
    rehearsal.run()
    shutil.rmtree(job)
    shutil.rmtree(local)
    (tmp_path / "snapshot").rename(job)
    posts = len(rehearsal.posts())
    with pytest.raises(InputError, match="takes every row that is not recorded as in doubt"):
        rehearsal.run()
    assert rehearsal.run(in_doubt="hold", accept_loss=True).in_doubt == ROWS
    assert len(rehearsal.posts()) == posts


def test_a_job_that_is_set_aside_keeps_its_own_checkpoint(tmp_path: Path) -> None:
    rehearsal, local = Rehearsal(tmp_path, 5, "duration=1"), tmp_path / "local"
    rehearsal.options["checkpoint_dir"] = local
    assert rehearsal.run().completed == 5
    assert rehearsal.run(fresh=True, limit=2).completed == 2
    (aside,) = tmp_path.glob("job.*")
    assert status(aside).completed == 5
    assert status(tmp_path / "job").completed == 2
    export(aside, to=tmp_path / "copy")
    assert len(pq.read_table(tmp_path / "copy" / "outputs.parquet")) == 5
