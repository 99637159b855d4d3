"""The closing summary of whole jobs, on a terminal and in `status`, in virtual time."""

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from batchrun.app.status import status
from batchrun.domain.measures import SubmitRate
from batchrun.domain.summary import ResultFiles, Summary
from batchrun.domain.workers import WorkerFigures
from batchrun.views.closing_summary import show_summary, summary_lines
from tests.support.rehearsal import Rehearsal
from tests.views.test_views_bar import HOSTILE


def on_terminal(summary: Summary, width: int) -> list[str]:
    """The lines on a terminal of this width, without colours."""
    file = io.StringIO()
    show_summary(summary, console=Console(file=file, width=width, force_terminal=True, color_system=None))
    return file.getvalue().splitlines()


def throttled_job(folder: Path) -> tuple[Rehearsal, Summary]:
    """A job with a quota, failures, and runs of some seconds."""
    rehearsal = Rehearsal(folder, 120, "duration=lognormal:2,5", "rps=10", "fault=fail:id=7", "fault=reject:id=9")
    return rehearsal, rehearsal.run(rps=20)


def named(summary: Summary) -> Summary:
    """The summary of a job with names as short as usual."""
    return replace(summary, folder="rows-run", job={"input": "rows.csv", "workflow_id": "echo"})


def test_what_a_session_measured_is_in_its_summary(tmp_path: Path) -> None:
    _, summary = throttled_job(tmp_path)
    assert summary.run_s is not None
    assert summary.lag_s is not None
    assert summary.wait_s is not None
    for spread in (summary.run_s, summary.lag_s, summary.wait_s):
        assert 0 <= spread.p50 <= spread.p95 <= spread.p99
    assert 1.5 < summary.run_s.p50 < 2.5
    assert summary.lag_s.n == 118, "of the rows that completed"
    assert summary.submit_rate is not None
    assert summary.submit_rate.allowed_per_s == 20
    assert 0.3 < summary.submit_rate.share < 0.6
    assert summary.interruptions.throttling_episodes >= 1
    assert summary.interruptions.paused_s >= 1
    assert summary.polls_per_row == pytest.approx(summary.polls / 119, abs=0.01)


def test_the_wait_for_the_rate_limit_is_an_interval_of_it(tmp_path: Path) -> None:
    summary = Rehearsal(tmp_path, 50, "duration=1").run(rps=2)
    assert summary.wait_s is not None
    assert summary.wait_s.p50 == pytest.approx(0.5, abs=0.1)
    assert summary.submit_rate is not None
    assert summary.submit_rate.share > 0.95


def test_the_share_is_that_of_the_limit_that_binds(tmp_path: Path) -> None:
    summary = Rehearsal(tmp_path, 50, "duration=1").run(rps=100, total_rps=5, poll_initial=30)
    assert summary.submit_rate is not None
    assert (summary.submit_rate.allowed_per_s, summary.submit_rate.share > 0.9) == (5, True)
    assert any("of --total-rps 5" in line for line in summary_lines(summary))


def test_a_share_of_the_rate_is_told_as_one(tmp_path: Path) -> None:
    summary = Rehearsal(tmp_path, 20, "duration=1").run()
    shared = replace(summary, submit_rate=SubmitRate(9.8, 10.0, 0.98, "--share-limits"))
    assert any(
        "20 submissions at 98 % of its share of --share-limits, 10/s, " in line for line in summary_lines(shared)
    )


def test_status_shows_the_same_as_the_summary(tmp_path: Path) -> None:
    rehearsal, summary = throttled_job(tmp_path)
    assert summary_lines(status(tmp_path / "job", rehearsal.clock)) == summary_lines(summary)
    again = rehearsal.run()
    assert again.run_s == summary.run_s, "a session that sends nothing measures nothing"


def test_a_killed_session_leaves_what_it_measured(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 100, "duration=2")
    rehearsal.run(kill_after=200, rps=5)
    found = status(tmp_path / "job", rehearsal.clock)
    assert found.run_s is not None
    assert found.submit_rate is not None
    assert found.eta_s is None


def test_runs_of_an_earlier_session_were_not_noticed_late_by_this_one(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=30")
    rehearsal.run(max_runtime=5)
    rehearsal.clock.jump(7200)
    assert rehearsal.run().lag_s is None


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_terminal_gets_lines_folded_at_blanks(tmp_path: Path, width: int) -> None:
    summary = named(throttled_job(tmp_path)[1])
    lines = on_terminal(summary, width)
    assert max(map(cell_len, lines[:-1])) <= width
    words = " ".join(summary_lines(summary)).split()
    assert " ".join(lines).split() == words, "only blanks were replaced by ends of lines"
    assert lines[-1] == "Next: batchrun retry rows-run"
    assert any(line.startswith("errors     1 rejected    such as row 9: ") for line in lines)


def test_names_from_outside_never_move_the_cursor(tmp_path: Path) -> None:
    _, summary = throttled_job(tmp_path)
    job = {"input": f"in{HOSTILE}.csv", "workflow_id": HOSTILE}
    hostile = replace(
        summary,
        folder=f"out{HOSTILE}",
        job=job,
        error_examples={"rejected": f"row 9: {HOSTILE}"},
        reason=HOSTILE,
        result_files=ResultFiles.OLDER,
    )
    text = "\n".join([*on_terminal(hostile, 80), *summary_lines(hostile)])
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2028]", text)


def test_the_workers_of_a_running_job_have_a_line_each_or_one_for_many(tmp_path: Path) -> None:
    _, summary = throttled_job(tmp_path)
    workers = tuple(WorkerFigures(f"w{n}", f"node-{n % 2}", 100 + n, n, 1_000 * n) for n in range(9))
    lines = summary_lines(replace(named(summary), workers=workers[:2]))
    at = next(number for number, line in enumerate(lines) if line.startswith("workers"))
    assert lines[at : at + 2] == [
        "workers    w0: 0 in flight, 0 sent (process 100 on node-0)",
        "           w1: 1 in flight, 1,000 sent (process 101 on node-1)",
    ]
    assert "workers    9 on 2 machines, 36 in flight" in summary_lines(replace(named(summary), workers=workers))
    assert not [line for line in summary_lines(named(summary)) if line.startswith("workers")]
