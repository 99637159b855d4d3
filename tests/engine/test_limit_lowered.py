"""A limit or a sample that is not what it was: every row of the job ends, and no row is sent that was not asked for."""

from pathlib import Path

import pytest

from batchrun.errors import InputError
from tests.support.rehearsal import Rehearsal


def test_in_doubt_decides_on_rows_within_the_limit_alone(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=1", "lost=1")
    assert rehearsal.run().in_doubt == 12
    rehearsal.serve("duration=1")
    summary = rehearsal.retry(in_doubt="resubmit", limit=3)
    assert (summary.rows, summary.completed, summary.in_doubt, summary.exit_code) == (12, 3, 9, 3)
    summary = rehearsal.run(in_doubt="fail", limit=5)
    assert (summary.completed, summary.failed, summary.in_doubt, summary.exit_code) == (3, 2, 7, 3)
    assert rehearsal.run().in_doubt == 7
    assert len(rehearsal.posts()) == 12 + 3


def test_rows_beyond_a_lowered_limit_are_not_part_of_the_job_until_it_is_raised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=1", "fail=1")
    assert rehearsal.run().failed == 12
    rehearsal.serve("duration=1")
    stopped = rehearsal.retry(kill_after=6)  # all are queued again, and a few were sent
    assert stopped.queued > 6
    sent = 12 - stopped.queued
    summary = rehearsal.run(limit=2)
    assert summary.queued == summary.running == 0
    assert summary.rows == sent == summary.completed + summary.in_doubt > 2
    assert f"--limit 2: submitted before beyond it, and still in the job: {sent - 2} rows" in caplog.messages
    summary = rehearsal.run()
    assert summary.rows == summary.completed + summary.in_doubt == 12


def test_a_sample_of_a_short_input_is_the_whole_job(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=1")
    assert rehearsal.run(sample=5).rows == 3
    rehearsal.write([{"id": str(row)} for row in range(20)])
    summary = rehearsal.run(sample=5)
    assert (summary.rows, summary.completed, summary.exit_code) == (3, 3, 0)


def test_a_sample_is_drawn_when_the_first_row_is_sent(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 0, "duration=1")
    assert rehearsal.run(sample=5, seed=7).rows == 0
    rehearsal.write([{"id": str(row)} for row in range(20)])
    assert rehearsal.run(sample=5, seed=7).completed == 5
    other = tmp_path / "other"
    other.mkdir()
    fresh = Rehearsal(other, 20, "duration=1")
    fresh.run(sample=5, seed=7)
    assert set(rehearsal.outputs()) == set(fresh.outputs())


def test_a_row_that_was_not_drawn_cannot_be_retried(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 20, "duration=1")
    rehearsal.run(sample=5)
    row = min(set(range(20)) - set(rehearsal.outputs()))
    with pytest.raises(InputError, match=f"row {row} is not in the job: --sample has not drawn it"):
        rehearsal.retry([row], sample=5)
