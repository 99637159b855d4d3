"""A folder whose `job.toml` is a file of the user's own holds no job that could go on."""

from pathlib import Path

import pytest

from tests.support.command import RUN_FAST, batchrun, rows_file

WRITTEN_BY_HAND = 'input = "rows.csv"\nworkflow-id = "echo"\nsimulate = true\nsim = ["duration=0"]\n'


@pytest.mark.parametrize("command", [("resume",), ("retry",), ("retry", "--in-doubt", "resubmit")])
@pytest.mark.parametrize(("folder", "cwd"), [("my samples", "."), (".", "my samples")])
def test_it_is_refused_and_the_command_that_starts_it_is_named(
    tmp_path: Path, command: tuple[str, ...], folder: str, cwd: str
) -> None:
    samples = tmp_path / "my samples"
    samples.mkdir()
    rows_file(samples, 2)
    (samples / "job.toml").write_text(WRITTEN_BY_HAND)
    before = sorted(path.name for path in samples.iterdir())
    done = batchrun(command[0], folder, *command[1:], cwd=tmp_path / cwd)
    file = "'my samples/job.toml'" if folder != "." else "job.toml"
    start = f"start it with: batchrun run -c {file} -o DIR"
    assert done.returncode == 2
    assert done.stderr == f"Error: {folder}: holds no job. Its job.toml is a job file; {start}\n"
    assert sorted(path.name for path in samples.iterdir()) == before


def test_a_run_directory_goes_on_although_its_job_file_was_written_anew(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    assert batchrun(*RUN_FAST, "-o", "job", "--limit", "1", cwd=tmp_path).returncode == 0
    (tmp_path / "job" / "job.toml").write_text(WRITTEN_BY_HAND.replace("rows.csv", "../rows.csv"))
    done = batchrun("resume", "job", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2: 2 completed" in done.stdout


@pytest.mark.parametrize("command", [("run",), ("run", "--fresh"), ("check",)])
def test_no_job_is_written_over_it(tmp_path: Path, command: tuple[str, ...]) -> None:
    rows_file(tmp_path, 2)
    (tmp_path / "job.toml").write_text(WRITTEN_BY_HAND)
    done = batchrun(*command, "-c", "job.toml", "-o", ".", cwd=tmp_path)
    assert done.returncode == 2
    assert "job.toml: is a job file of your own, which the job would overwrite" in done.stderr
    assert "Choose another directory with -o" in done.stderr
    assert (tmp_path / "job.toml").read_text() == WRITTEN_BY_HAND
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job.toml", "rows.csv"]
