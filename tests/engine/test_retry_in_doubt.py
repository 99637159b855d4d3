"""`batchrun retry` and the rows that were given up in doubt."""

from pathlib import Path

import pytest

from batchrun.app.retry import plan_retry
from batchrun.errors import InputError
from batchrun.job import build_job
from batchrun.views.closing_summary import next_command
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
    with pytest.raises(InputError, match="give it without --kind"):
        plan_retry(job, None, "fail", ["timeout"])
    with pytest.raises(InputError, match="decide on rows in doubt with --in-doubt"):
        plan_retry(job, None, None, ["in_doubt"])
