"""What the report of a job that was killed and tried again says in several places is the same there."""

import re
from pathlib import Path

import batchrun
from batchrun.views.number_format import duration
from tests.support.rehearsal import Rehearsal
from tests.support.report_pages import Page


def test_figures_agree_after_kills_and_a_retry_and_what_is_missing_is_said(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 300, "fail=0.1", "duration=3", "pending=0")
    for rows in (150, 280):
        rehearsal.run(kill_after=rows, rps=20)
        rehearsal.clock.jump(600)
    rehearsal.run(rps=20)
    rehearsal.retry(rps=20)
    summary = batchrun.status(tmp_path / "job", rehearsal.clock)
    text = Page(batchrun.report(tmp_path / "job")).text
    worked = duration(summary.elapsed_s)
    assert f"{worked} of work in 4 commands" in text
    found = re.search(r"(\d+) submissions and (\d+) ends of rows( \(a row that is tried again ends again\))?, in", text)
    assert found is not None
    assert f"{found[0]} {worked} of work;" in text
    assert (int(found[2]) > summary.rows, found[3] is not None) == (True, True)
    missing = re.search(
        r"The last seconds before a kill, at most 5, are missing here, with (\d+) more submission", text
    )
    assert missing is not None
    assert int(found[1]) + int(missing[1]) == summary.submissions
    assert re.search(r"Without \d+ runs? that one command began and a later one saw end", text)
    lags = re.search(r"run time by the service's clock: median .*?, longest ([\d.]+) (m?s), of", text)
    assert lags is not None
    assert lags[2] == "ms" or float(lags[1]) < 10, "not ten minutes, the break between commands"


def test_a_whole_job_misses_nothing(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 60, "duration=1", "pending=0")
    summary = rehearsal.run()
    text = Page(batchrun.report(tmp_path / "job")).text
    assert f"60 submissions and 60 ends of rows, in {duration(summary.elapsed_s)} of work;" in text
    assert "missing here" not in text
    assert "Without" not in text
