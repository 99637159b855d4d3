"""Warnings of commands that only read a job are log lines: with a time, and harmless on a terminal."""

import re
from pathlib import Path

from tests.support.command import RUN_FAST, batchrun, rows_file


def test_what_a_scorer_raises_moves_no_cursor(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    assert batchrun(*RUN_FAST, "-o", "job", cwd=tmp_path).returncode == 0
    (tmp_path / "scorers.py").write_text("def judge(value, row):\n    raise ValueError('\\x1b[2Jgone\\u202e')\n")
    done = batchrun("score", "job", "--score", "mine=python:echo.text:scorers.py:judge", cwd=tmp_path)
    assert done.returncode == 0
    (line,) = [line for line in done.stderr.splitlines() if "gone" in line]
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ ", line)
    assert "\x1b" not in done.stderr
    assert "\u202e" not in done.stderr


def test_a_missing_input_is_a_log_line(tmp_path: Path) -> None:
    rows_file(tmp_path, 3)
    assert batchrun(*RUN_FAST, "-o", "job", cwd=tmp_path).returncode == 0
    (tmp_path / "rows.csv").unlink()
    for command in ("export", "head"):
        done = batchrun(command, "job", cwd=tmp_path)
        assert done.returncode == 0
        assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ .*rows.csv: no such file", done.stderr), command
