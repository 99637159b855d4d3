"""Files of the user's own in what is to be a run directory are neither overwritten nor deleted."""

from pathlib import Path

import pytest

from batchrun.adapters.files.lock import owned
from batchrun.domain.filenames import JOB, OUTPUTS, OWN_FILES, REPORT, SIMULATOR
from tests.support.command import RUN_FAST, batchrun, rows_file

NAMES = sorted(OWN_FILES - {JOB, OUTPUTS, REPORT, SIMULATOR, "progress.json", "checkpoint.db"})


@pytest.mark.parametrize("command", [("run",), ("run", "--fresh"), ("check",)])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_with_the_name_of_one_of_ours_is_left_alone(tmp_path: Path, name: str, command: tuple[str, ...]) -> None:
    rows_file(tmp_path, 2)
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / name).write_text("my own")
    done = batchrun(*command, *RUN_FAST[1:], "-o", "mine", cwd=tmp_path)
    assert done.returncode == 2
    assert f"mine/{name}: is not of a job here, and a job would overwrite it. Choose another directory" in done.stderr
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(name, "my own")]


@pytest.mark.parametrize("name", [*NAMES, REPORT, SIMULATOR])
def test_an_input_with_such_a_name_is_left_alone(tmp_path: Path, name: str) -> None:
    path = rows_file(tmp_path, 2).rename(tmp_path / name)
    before = path.read_text()
    done = batchrun("run", name, "--format", "csv", *RUN_FAST[2:], "-o", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert path.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_is_of_no_job_stays(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    for name in ("notes.txt", REPORT, SIMULATOR + ".old"):
        (tmp_path / name).write_text("my own")
    (tmp_path / "checkpoint.lock").touch()
    assert batchrun(*RUN_FAST, "-o", ".", cwd=tmp_path).returncode == 0
    assert all((tmp_path / name).read_text() == "my own" for name in ("notes.txt", REPORT, SIMULATOR + ".old"))


def test_the_lock_of_a_command_that_was_killed_before_it_began_is_ours(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    (tmp_path / "job").mkdir()
    lock = tmp_path / "job" / "checkpoint.lock"
    with owned(lock):
        busy = batchrun(*RUN_FAST, "-o", "job", cwd=tmp_path)
        assert busy.returncode == 75, busy.stderr
    assert lock.read_text()
    assert batchrun(*RUN_FAST, "-o", "job", cwd=tmp_path).returncode == 0


def test_a_lock_whose_text_was_lost_in_a_power_cut_is_ours(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    (tmp_path / "job").mkdir()
    for content in (bytes(20), b"4711\0\0\0\0\0", b"\0\n"):
        (tmp_path / "job" / "checkpoint.lock").write_bytes(content)
        assert batchrun(*RUN_FAST, "-o", "job", "--dry-run", cwd=tmp_path).returncode == 0
    assert batchrun(*RUN_FAST, "-o", "job", cwd=tmp_path).returncode == 0
