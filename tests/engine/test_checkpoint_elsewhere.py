"""A checkpoint in a folder of its own: that folder, or the run directory, is moved or copied."""

import shutil
from pathlib import Path

import pytest

from batchrun.app.export import export
from batchrun.app.python_api import resume
from batchrun.app.status import status
from batchrun.errors import InputError
from tests.support.rehearsal import Rehearsal

ROWS = 20


def begun(folder: Path) -> Rehearsal:
    """A job that has sent some of its rows, with its checkpoint in `local`."""
    rehearsal = Rehearsal(folder, ROWS, "duration=1")
    rehearsal.options["checkpoint_dir"] = folder / "local"
    assert rehearsal.run(max_submissions=5).queued == ROWS - 5
    del rehearsal.options["checkpoint_dir"]
    return rehearsal


def test_where_a_moved_checkpoint_is_must_be_said(tmp_path: Path) -> None:
    rehearsal = begun(tmp_path)
    posts = len(rehearsal.posts())
    (tmp_path / "local").rename(tmp_path / "moved")
    advice = rf"no checkpoint\.db in {tmp_path}/local, the checkpoint-dir of {tmp_path}/job/job\.toml"
    for command in (status, export, resume):
        with pytest.raises(InputError, match=advice):
            command(tmp_path / "job")
    with pytest.raises(InputError, match=advice):
        rehearsal.run()
    assert len(rehearsal.posts()) == posts
    job = tmp_path / "job" / "job.toml"
    job.write_text(job.read_text().replace(f"{tmp_path}/local", "../moved"))
    assert status(tmp_path / "job").submissions == posts
    assert rehearsal.run().completed == ROWS
    assert len(rehearsal.posts()) == ROWS


def test_the_command_that_names_the_new_place_goes_on_there(tmp_path: Path) -> None:
    rehearsal = begun(tmp_path)
    (tmp_path / "local").rename(tmp_path / "moved")
    assert rehearsal.run(checkpoint_dir=tmp_path / "moved").completed == ROWS
    assert status(tmp_path / "job").completed == ROWS
    assert len(rehearsal.posts()) == ROWS


def test_a_copy_of_the_run_directory_does_not_use_the_checkpoint_of_the_original(tmp_path: Path) -> None:
    rehearsal = begun(tmp_path)
    posts = len(rehearsal.posts())
    shutil.copytree(tmp_path / "job", tmp_path / "copy")
    for options in ({}, {"accept_loss": True}, {"fresh": True, "checkpoint_dir": tmp_path / "local"}):
        with pytest.raises(InputError, match=f"(?s)copy: is not the run directory .*Go on in {tmp_path}/job"):
            rehearsal.run(out=tmp_path / "copy", **options)
    with pytest.raises(InputError, match="is not the run directory"):
        rehearsal.run(out=tmp_path / "new", checkpoint_dir=tmp_path / "local")
    assert not (tmp_path / "new").exists()
    assert len(rehearsal.posts()) == posts
    assert rehearsal.run().completed == ROWS


def test_a_copy_of_both_goes_on_by_itself_once_it_names_its_own(tmp_path: Path) -> None:
    rehearsal = begun(tmp_path)
    for name in ("job", "local"):
        shutil.copytree(tmp_path / name, tmp_path / "both" / name)
    with pytest.raises(InputError, match="is not the run directory"):
        rehearsal.run(out=tmp_path / "both" / "job")
    job = tmp_path / "both" / "job" / "job.toml"
    job.write_text(job.read_text().replace(str(tmp_path / "local"), "../local"))
    assert rehearsal.run(out=tmp_path / "both" / "job").completed == ROWS
    assert status(tmp_path / "job").queued
    assert rehearsal.run().completed == ROWS


def test_a_moved_run_directory_keeps_its_checkpoint(tmp_path: Path) -> None:
    rehearsal = begun(tmp_path)
    (tmp_path / "job").rename(tmp_path / "moved")
    assert rehearsal.run(out=tmp_path / "moved").completed == ROWS
    assert len(rehearsal.posts()) == ROWS
