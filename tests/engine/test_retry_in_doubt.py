"""`batchrun retry` and the rows that were given up in doubt."""

from pathlib import Path

import pytest

from batchrun.app.retry import plan_retry
from batchrun.errors import InputError
from batchrun.job import build_job
from batchrun.views.closing_summary import show_summary
from batchrun.views.next_step import next_command
from tests.support.rehearsal import Rehearsal


def test_rows_given_up_in_doubt_are_submitted_again_only_on_request(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "fault=lost:id=3", "fault=lost:id=7", "fault=fail:id=9", "duration=1")
    rehearsal.run()
    given_up = rehearsal.retry(in_doubt="fail")
    assert (given_up.failed, given_up.in_doubt) == (3, 0)
    assert next_command(given_up) == f"batchrun retry {rehearsal.folder / 'job'}", "for row 9"
    rehearsal.serve("duration=1")
    plain = rehearsal.retry()
    assert (plain.completed, plain.failed) == (18, 2)
    assert next_command(plain) is None
    with pytest.raises(InputError, match="row 7 was given up in doubt: add --in-doubt resubmit"):
        rehearsal.retry([7])
    assert len(rehearsal.posts()) == 22
    assert rehearsal.retry([7], "resubmit").completed == 19
    assert rehearsal.retry(in_doubt="resubmit").completed == 20


def test_a_kind_bounds_no_decision_about_rows_in_doubt() -> None:
    job = build_job({"input": "rows.csv", "workflow_id": "w"})
    with pytest.raises(InputError, match="add --kind in_doubt, or leave out --kind"):
        plan_retry(job, None, "fail", ["timeout"])
    with pytest.raises(InputError, match="decide on rows in doubt with --in-doubt"):
        plan_retry(job, None, None, ["in_doubt"])


def test_the_kind_in_doubt_may_be_named_with_the_decision(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "fault=lost:id=3", "fault=fail:id=9", "duration=1")
    assert rehearsal.run().in_doubt == 1
    rehearsal.serve("duration=1")
    settled = rehearsal.retry(in_doubt="resubmit", kinds=["in_doubt"])
    assert (settled.completed, settled.in_doubt) == (19, 0)
    assert settled.errors_by_kind == {"run_failed": 1}, "which was not asked for"


def test_giving_up_leaves_rows_of_other_kinds_alone(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "fault=lost:id=3", "fault=fail:id=9", "duration=1")
    rehearsal.run()
    posts = len(rehearsal.posts())
    assert rehearsal.retry(in_doubt="fail", kinds=["in_doubt"]).errors_by_kind == {"in_doubt": 1, "run_failed": 1}
    assert len(rehearsal.posts()) == posts


def test_the_next_line_says_what_each_decision_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "fault=lost:id=1", "duration=1")
    show_summary(rehearsal.run())
    line = capsys.readouterr().out.splitlines()[-1]
    command = f"batchrun retry {rehearsal.folder / 'job'} --in-doubt resubmit"
    choice = "(sends them again, may pay twice; fail instead of resubmit gives them up)"
    assert line == f"Next: {command}   {choice}"
