"""A run directory whose job.toml is gone."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batchrun.app.export import export
from batchrun.app.head import head
from batchrun.app.python_api import resume
from batchrun.app.status import status
from batchrun.errors import InputError
from tests.support.rehearsal import Rehearsal

ROWS = 20


def without_job_file(folder: Path, **options: Any) -> Rehearsal:
    rehearsal = Rehearsal(folder, [{"id": str(row), "other": "x"} for row in range(ROWS)], "duration=1")
    rehearsal.options |= {"skip": ["other"], "const": {"a": None}}
    assert rehearsal.run(max_submissions=5, **options).completed == 5
    (folder / "job" / "job.toml").unlink()
    return rehearsal


def test_results_are_read_with_what_the_checkpoint_knows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    without_job_file(tmp_path)
    job = tmp_path / "job"
    assert (status(job).completed, status(job).rows) == (5, ROWS)
    assert head(job)["id"].to_pylist() == list(map(str, range(5)))
    export(job, tmp_path / "there")
    assert pq.read_metadata(tmp_path / "there" / "outputs.parquet").num_rows == 5
    assert "its job.toml is gone, so options such as --limit" in caplog.text


def test_the_command_that_goes_on_is_named(tmp_path: Path) -> None:
    rehearsal, job = without_job_file(tmp_path), tmp_path / "job"
    with pytest.raises(InputError) as refused:
        resume(job)
    first, second = refused.value.problems
    assert first.startswith(f"{job}: its job.toml is gone")
    assert second == f"  batchrun run {rehearsal.input} --workflow-id echo -o {job} …"
    assert rehearsal.run().completed == ROWS
    assert len(rehearsal.posts()) == ROWS


def test_where_the_checkpoint_is_elsewhere_its_folder_must_be_named_again(tmp_path: Path) -> None:
    rehearsal = without_job_file(tmp_path, checkpoint_dir=tmp_path / "local")
    for command in (status, resume):
        with pytest.raises(InputError, match=r"its job\.toml is gone.*checkpoint[-_]dir"):
            command(tmp_path / "job")
    assert rehearsal.run(checkpoint_dir=tmp_path / "local").completed == ROWS
    assert len(rehearsal.posts()) == ROWS
