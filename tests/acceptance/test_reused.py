"""A nightly job on a growing table, with the installed command."""

import json
import os
import shutil
from pathlib import Path

from batchrun.adapters.files.lock import owned
from tests.support.command import batchrun, rows_file, status

FAST = ("--workflow-id", "echo", "--simulate", "--sim", "duration=0.1", "--poll-initial", "0.2", "--key", "id")


def test_the_second_night_pays_for_what_is_new_and_can_be_resumed_without_the_first(tmp_path: Path) -> None:
    rows_file(tmp_path, 4)
    assert batchrun("run", "rows.csv", *FAST, "-o", "mon", cwd=tmp_path).returncode == 0
    rows_file(tmp_path, 6)
    done = batchrun("run", "rows.csv", *FAST, "-o", "tue", "--reuse", "mon", "--limit", "5", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "5 completed (4 reused)" in done.stdout + done.stderr
    assert (status(tmp_path / "tue")["reused"], status(tmp_path / "mon")["reused"]) == (4, 0)
    shutil.rmtree(tmp_path / "mon")
    assert batchrun("resume", "tue", cwd=tmp_path).returncode == 0
    refused = batchrun("resume", "tue", "--limit", "6", cwd=tmp_path)
    assert refused.returncode == 2
    assert "mon: holds no job" in refused.stderr
    last = batchrun("run", "rows.csv", *FAST, "-o", "tue", "--json", cwd=tmp_path)
    assert last.returncode == 0, last.stderr
    summary = json.loads(last.stdout)
    assert (summary["completed"], summary["reused"], summary["submissions"]) == (6, 4, 2)
    assert json.loads((tmp_path / "tue" / "summary.json").read_text())["reused"] == 4


def test_a_missed_night_breaks_nothing(tmp_path: Path) -> None:
    """A glob or a parent folder stands for the jobs in it, also where there is none yet."""
    rows_file(tmp_path, 3)
    first = batchrun("run", "rows.csv", *FAST, "-o", "nights/mon", "--reuse", "nights/*", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "--reuse nights/*: holds no earlier job of this workflow, so nothing is taken over" in first.stderr
    rows_file(tmp_path, 5)
    other = batchrun("run", "rows.csv", *FAST, "--workflow-id", "penguin", "-o", "nights/tue", cwd=tmp_path)
    assert other.returncode in {0, 3}, other.stderr
    command = ("run", "rows.csv", *FAST, "-o", "nights/thu", "--reuse", "nights")
    planned = batchrun(*command, "--dry-run", "--json", cwd=tmp_path)
    assert json.loads(planned.stdout)["reused"] == 3
    assert json.loads(planned.stdout)["estimates"][0]["submissions"] == 2
    last = batchrun(*command, cwd=tmp_path)
    assert "5 completed (3 reused)" in last.stdout, last.stderr
    assert "--reuse: nights/mon has 3 completed rows" in last.stderr
    assert f'reuse = "{tmp_path}/nights"' in (tmp_path / "nights" / "thu" / "job.toml").read_text()


def test_other_inputs_than_those_of_the_earlier_job_are_told_of_before_anything_is_sent(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    assert batchrun("run", "rows.csv", *FAST, "-o", "mon", "--const", "model=a", cwd=tmp_path).returncode == 0
    (tmp_path / "more.csv").write_text("id,index\n0,1\n1,2\n")
    command = ("more.csv", *FAST, "-o", "tue", "--reuse", "mon", "--const", "model=b")
    told = (
        "--reuse mon: no row will be taken over, all are submitted: mon: this job also sends index; "
        "that one also sent text; the constant 'model' has another value\n"
    )
    for words in (("check", *command), ("run", *command, "--dry-run")):
        done = batchrun(*words, cwd=tmp_path)
        assert (done.returncode, told in done.stderr) == (0, True), done.stderr
        assert "1 warning, see above" in done.stdout
    same = batchrun("check", "rows.csv", *FAST, "--reuse", "mon", "--const", "model=a", "-o", "tue", cwd=tmp_path)
    assert "result    no problems found" in same.stdout
    assert "--reuse: mon has 2 completed rows" in same.stderr


def test_a_column_that_some_rows_do_not_have_makes_no_other_inputs_of_the_rest(tmp_path: Path) -> None:
    old, new = '{"id": 0, "text": "a"}\n{"id": 1, "text": "b"}\n', '{"id": 2, "text": "c", "more": 1}\n'
    (tmp_path / "rows.jsonl").write_text(old)
    assert batchrun("run", "rows.jsonl", *FAST, "-o", "mon", cwd=tmp_path).returncode == 0
    (tmp_path / "rows.jsonl").write_text(old + new)
    for out, earlier in (("tue", "mon"), ("wed", "tue")):
        done = batchrun("run", "rows.jsonl", *FAST, "-o", out, "--reuse", earlier, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "no row will be taken over" not in done.stderr
        assert f"3 completed ({3 if earlier == 'tue' else 2} reused)" in done.stdout
    (tmp_path / "rows.jsonl").write_text(old)
    done = batchrun("run", "rows.jsonl", *FAST, "-o", "thu", "--reuse", "wed", cwd=tmp_path)
    assert "no row will be taken over" not in done.stderr
    assert "2 completed (2 reused)" in done.stdout


def test_why_no_row_was_taken_over(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    assert batchrun("run", "rows.csv", *FAST, "-o", "mon", cwd=tmp_path).returncode == 0
    (tmp_path / "rows.csv").write_text("id,text\n0,new\n1,new\n")
    done = batchrun("run", "rows.csv", *FAST, "-o", "tue", "--reuse", "mon", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "no row was taken over: no completed row of" in done.stderr


def test_a_short_or_empty_night_costs_nothing_the_next_night(tmp_path: Path) -> None:
    rows_file(tmp_path, 4)
    first = batchrun("run", "rows.csv", *FAST, "-o", "nights/1", "--reuse", "nights", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    for night, rows in (("2", 1), ("3", 0), ("4", 6)):
        rows_file(tmp_path, rows)
        command = ("run", "rows.csv", *FAST, "-o", f"nights/{night}", "--reuse", "nights/*", "--json", "-q")
        done = batchrun(*command, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        summary = json.loads(done.stdout)
        assert (summary["reused"], summary["submissions"]) == (min(rows, 4), max(0, rows - 4))
    sources = [json.loads(line)["reused_from"] for line in _lines(tmp_path)]
    assert sources == [f"{tmp_path}/nights/{night}" if night else None for night in (2, 1, 1, 1, None, None)]


def _lines(folder: Path) -> list[str]:
    assert batchrun("export", "nights/4", "--format", "jsonl", "--to", "out", cwd=folder).returncode == 0
    return (folder / "out" / "outputs.jsonl").read_text().splitlines()


def test_an_earlier_job_that_is_at_work_keeps_a_job_from_beginning_and_not_from_being_checked(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    assert batchrun("run", "rows.csv", *FAST, "-o", "mon", cwd=tmp_path).returncode == 0
    with owned(tmp_path / "mon" / "checkpoint.lock"):
        busy = batchrun("run", "rows.csv", *FAST, "-o", "tue", "--reuse", "mon", cwd=tmp_path)
        assert busy.returncode == 75
        assert f"process {os.getpid()} is working on that job" in busy.stderr
        assert not (tmp_path / "tue").exists()
        assert batchrun("check", "rows.csv", *FAST, "-o", "tue", "--reuse", "mon", cwd=tmp_path).returncode == 0
    assert batchrun("run", "rows.csv", *FAST, "-o", "tue", "--reuse", "mon", cwd=tmp_path).returncode == 0


def test_nothing_is_said_of_rows_that_were_not_looked_at(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    assert batchrun("run", "rows.csv", *FAST, "-o", "mon", cwd=tmp_path).returncode == 0
    old = (tmp_path / "rows.csv").read_text().splitlines()
    new = [f"{number},new" for number in range(100, 140)]
    (tmp_path / "rows.csv").write_text("\n".join([old[0], *new, *old[1:]]) + "\n")
    command = ["run", "rows.csv", *FAST, "-o", "tue", "--reuse", "mon"]
    done = batchrun(*command, "--rps", "5", "--max-runtime", "1s", "--max-connections", "1", cwd=tmp_path)
    assert done.returncode == 75, done.stderr
    assert "no row was taken over" not in done.stderr
