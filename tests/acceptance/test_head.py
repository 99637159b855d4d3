"""`batchrun head` on the installed command."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.command import batchrun, installed_started, rows_file, simulator, started

RUN = ("run", "rows.csv", "--workflow-id", "echo", "--simulate", "-o", "job", "--rps", 200, "--sim", "pending=0",
       "--sim", "duration=0.1", "--poll-initial", "0.2", "-q")  # fmt: skip


@pytest.mark.parametrize("errors", [False, True])
def test_the_first_rows_are_those_of_the_files(tmp_path: Path, errors: bool) -> None:
    rows_file(tmp_path, 60)
    batchrun(*RUN, "--sim", "fail=0.3", "--key", "id", cwd=tmp_path)
    file = pq.read_table(tmp_path / "job" / ("errors.parquet" if errors else "outputs.parquet"))
    for name in ("outputs.parquet", "errors.parquet"):
        (tmp_path / "job" / name).unlink()
    flags = ["--errors"] if errors else []
    done = batchrun("head", "job", *flags, "--json", "-n", 7, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["row"] for row in rows] == file["row"].to_pylist()[:7]
    assert list(rows[0]) == file.column_names
    if not errors:
        assert [row["output"] for row in rows] == [json.loads(text) for text in file["output"].to_pylist()[:7]]
    table = batchrun("head", "job", *flags, cwd=tmp_path)
    lines = table.stdout.splitlines()
    assert lines[0].split() == file.column_names
    assert [line.split()[0] for line in lines[1:]] == [str(row) for row in file["row"].to_pylist()[:10]]
    assert "…" not in table.stdout
    assert not list((tmp_path / "job").glob("*.parquet"))


def test_it_shows_a_job_that_is_running_and_says_so_when_there_is_nothing(tmp_path: Path) -> None:
    with simulator(tmp_path, "--duration", "uniform:0.5,60") as service:
        rows_file(tmp_path, 200)
        job = ("run", "rows.csv", "--workflow-id", "echo", "-o", "job", "--base-url", service.base_url, "--rps", 50)
        with started(*job, cwd=tmp_path) as running:
            service.wait_for("posts", 1)
            errors = batchrun("head", "job", "--errors", cwd=tmp_path)
            assert errors.returncode == 0
            assert len(errors.stdout.splitlines()) == 1
            nothing = batchrun("head", "job", "--errors", "--json", cwd=tmp_path)
            assert (nothing.returncode, nothing.stdout) == (0, "")
            assert len(nothing.stderr.splitlines()) == 1
            while not (rows := batchrun("head", "job", "-n", 3, "--json", cwd=tmp_path).stdout.splitlines()):
                assert running.poll() is None
            assert len(rows) <= 3
            assert not (tmp_path / "job" / "outputs.parquet").exists()


def test_missing_results_are_reported_plainly(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    batchrun(*RUN, cwd=tmp_path)
    assert batchrun("head", "nowhere", cwd=tmp_path).returncode == 2
    assert batchrun("head", "job", "-n", 0, cwd=tmp_path).returncode == 2
    shutil.move(tmp_path / "rows.csv", tmp_path / "away.csv")
    gone = batchrun("head", "job", cwd=tmp_path)
    assert gone.returncode == 0
    assert "row 2" in gone.stdout
    assert "rows.csv: no such file; its columns are taken from the previous results" in gone.stderr


def test_selections_are_columns_here_too(tmp_path: Path) -> None:
    rows_file(tmp_path, 5)
    batchrun(*RUN, "--select", "said=text", "--flatten", cwd=tmp_path)
    file = pq.read_table(tmp_path / "job" / "outputs.parquet")
    lines = batchrun("head", "job", "--json", cwd=tmp_path).stdout.splitlines()
    assert list(json.loads(lines[0])) == file.column_names
    assert [json.loads(line)["said"] for line in lines] == file["said"].to_pylist()


@pytest.mark.parametrize("arguments", [("head", "job", "--json", "-n", 60), ("run", "--help"), ("init", "some.toml")])
def test_who_stops_reading_ends_the_command_without_a_complaint(tmp_path: Path, arguments: tuple[object, ...]) -> None:
    rows_file(tmp_path, 60)
    batchrun(*RUN, cwd=tmp_path)
    with installed_started(*arguments, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(30) == 0


def test_rows_without_an_output_say_nothing_about_a_selection(tmp_path: Path) -> None:
    rows_file(tmp_path, 5)
    batchrun(*RUN, "--select", "said=text", "--sim", "fault=fail:id=2", cwd=tmp_path)
    done = batchrun("head", "job", "--errors", "--json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["row"] for line in done.stdout.splitlines()] == [2]
