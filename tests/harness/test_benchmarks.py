"""The benchmarks run, and the stand-in service counts rightly what the installed command does. No figure is judged."""

import subprocess
import sys
from pathlib import Path

from tests.benchmarks.running import batchrun, inputs, module
from tests.benchmarks.server import ROOT, serving
from tests.benchmarks.service import worst_second


def test_the_short_form_prints_a_table_of_what_it_has_measured() -> None:
    words = [sys.executable, "-m", "tests.benchmarks", "cpu", "--short"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    table = done.stdout.rpartition("| --- |")[2]
    for name in ("CPU a row, `sync`", "CPU a row, `async`"):
        line = next(line for line in table.splitlines() if name in line)
        assert "not measured" not in line


def test_both_sides_ask_the_stand_in_for_the_same() -> None:
    with inputs(60) as files, serving("--duration", 0.1, "--polls", 2) as server:
        ours = batchrun(server, files[60], "--poll-initial", 0.06)
        assert (ours.said["completed"], ours.stats["accepted"], ours.stats["told"]) == (60, 60, 60)
        assert ours.stats["polls"] == ours.said["polls"] >= 120
        theirs = module("bare", server, files[60], "async", 2, 0.3)
        assert (theirs.said["completed"], theirs.stats["accepted"]) == (60, 120)
        assert theirs.stats["polls"] - ours.stats["polls"] == 120
        assert min(ours.rss, theirs.rss) > 10e6


def test_a_changing_quota_is_kept_and_reported(tmp_path: Path) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("id\n" + "".join(f"{row}\n" for row in range(12)))
    with serving("--quota", "posts=4,0.5:8", "--retry-after", 1) as server:
        used = batchrun(server, rows)
        times = server.times()
    assert used.said["completed"] == 12
    assert used.stats["refused_posts"] == used.said["throttled"] > 0
    assert worst_second(times["accepted"]) <= 8
