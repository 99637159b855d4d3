"""`--log-file`, and text from outside in log lines."""

import re
from pathlib import Path

from batchrun.views.printable import printable
from tests.support.command import batchrun, rows_file

RUN = ("run", "rows.csv", "--workflow-id", "echo", "--simulate", "--sim", "duration=0.1", "--poll-initial", "0.2")


def test_the_log_file_keeps_the_summary_of_each_night_also_when_nothing_is_shown(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    quiet = ("-q", "--log-file", "night.log")
    done = batchrun(*RUN, "--sim", "fault=reject:id=1", *quiet, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "")
    assert batchrun("resume", "rows-simulated", *quiet, cwd=tmp_path).returncode == 3
    assert batchrun(*RUN, "--skip", "text", *quiet, cwd=tmp_path).returncode == 2
    lines = (tmp_path / "night.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ ", line) for line in lines if not line.startswith("  "))
    text = "\n".join(lines)
    assert text.count("rows.csv to workflow echo (simulated), in rows-simulated") == 3
    assert text.count("with exit code 3") == text.count("Next: batchrun retry rows-simulated") == 2
    assert "Error: rows-simulated: its job was begun differently" in text


def test_a_log_file_that_cannot_be_written_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    done = batchrun(*RUN, "--log-file", "nowhere/night.log", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--log-file nowhere/night.log: cannot be written: No such file or directory" in done.stderr
    assert not (tmp_path / "rows-simulated").exists()


def test_control_characters_are_shown_as_escapes() -> None:
    assert printable("a\x1b[2J\r\x07\x9b\x7fé\n\t") == "a\\x1b[2J\\x0d\\x07\\x9b\\x7fé\n\t"
