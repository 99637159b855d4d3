"""A run directory that was moved or copied between two commands goes on, and that is said once."""

import shutil
from pathlib import Path

import pytest

from tests.support.rehearsal import Rehearsal

ROWS = 20


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning since the last call."""
    found = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    caplog.clear()
    return found


def begun(folder: Path) -> Rehearsal:
    """A job with rows in every state, whose last command has ended."""
    rehearsal = Rehearsal(folder, ROWS, "duration=5")
    assert rehearsal.run(rps=5, max_runtime=2, drain_timeout=1).running
    return rehearsal


def test_a_moved_directory_goes_on_and_says_so_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = begun(tmp_path)
    (tmp_path / "job").rename(tmp_path / "moved")
    warnings(caplog)
    rehearsal.run(out=tmp_path / "moved", rps=5, max_runtime=1)
    assert warnings(caplog) == [f"{tmp_path}/moved: was moved, or copied, from {tmp_path}/job"]
    assert rehearsal.run(out=tmp_path / "moved").completed == ROWS
    assert warnings(caplog) == []
    assert len(rehearsal.posts()) == ROWS


def test_a_copy_says_once_that_the_original_is_still_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = begun(tmp_path)
    shutil.copytree(tmp_path / "job", tmp_path / "copy")
    warnings(caplog)
    assert rehearsal.run(out=tmp_path / "copy").completed == ROWS
    [line] = warnings(caplog)
    assert line.startswith(f"{tmp_path}/copy: is a copy of {tmp_path}/job, which is still there. ")
    assert len(rehearsal.posts()) == ROWS
    rehearsal.run(out=tmp_path / "copy")
    assert not [line for line in warnings(caplog) if "copy" in line]


def test_another_job_at_the_old_place_is_not_the_original(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = begun(tmp_path)
    (tmp_path / "job").rename(tmp_path / "moved")
    Rehearsal(tmp_path, ROWS).run()
    warnings(caplog)
    assert rehearsal.run(out=tmp_path / "moved").completed == ROWS
    assert warnings(caplog) == [f"{tmp_path}/moved: was moved, or copied, from {tmp_path}/job"]


def test_the_same_directory_by_another_path_is_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = begun(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path / "job")
    warnings(caplog)
    assert rehearsal.run(out=tmp_path / "link").completed == ROWS
    assert warnings(caplog) == []
