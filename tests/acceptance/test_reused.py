"""A nightly job on a growing table, with the installed command."""

import json
import shutil
from pathlib import Path

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
