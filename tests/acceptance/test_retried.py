"""`batchrun retry`, on the installed command."""

from pathlib import Path

import pyarrow.parquet as pq

from tests.support.command import batchrun, rows_file, status

FAST = ("--sim", "duration=0.1", "--sim", "pending=0", "--poll-initial", "0.2", "--rps", "50")


def test_failed_rows_are_tried_again_and_the_summary_says_how(tmp_path: Path) -> None:
    rows_file(tmp_path, 6)
    job = ("run", "rows.csv", "--workflow-id", "flaky", "-o", "job", "--simulate", *FAST)
    done = batchrun(*job, cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "batchrun retry job" in done.stdout
    wrong = batchrun("retry", "job", "--row", 9, "--row", 10, cwd=tmp_path)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "row 9 is not there" in wrong.stderr
    assert "row 10 is not there" in wrong.stderr
    one = batchrun("retry", "job", "--row", 2, "--row", "4", cwd=tmp_path)
    assert one.returncode == 3, one.stderr
    assert status(tmp_path / "job")["completed"] == 2
    again = batchrun("retry", "job", "--row", 2, "--row", 3, cwd=tmp_path)
    assert (again.returncode, again.stderr) == (
        2, "Error: row 2 is completed; only failed and timed-out rows can be retried\n"
    )  # fmt: skip
    rest = batchrun("retry", "job", "--json", cwd=tmp_path)
    assert rest.returncode == 0, rest.stderr
    assert pq.read_table(tmp_path / "job" / "outputs.parquet").column("attempts").to_pylist() == [2] * 6


def test_rows_in_doubt_are_settled_once_and_the_recorded_policy_stays(tmp_path: Path) -> None:
    rows_file(tmp_path, 4)
    job = ("run", "rows.csv", "--workflow-id", "echo", "-o", "job", "--simulate", *FAST)
    done = batchrun(*job, "--sim", "fault=garbage:id=1", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    refused = batchrun("retry", "job", "--row", 1, cwd=tmp_path)
    assert refused.returncode == 2
    assert "row 1 is in doubt: add --in-doubt resubmit or fail" in refused.stderr
    assert batchrun("retry", "job", "--row", 1, "--in-doubt", "fail", cwd=tmp_path).returncode == 3
    assert status(tmp_path / "job")["failed"] == 1
    assert 'in-doubt = "hold"' in (tmp_path / "job" / "job.toml").read_text()
