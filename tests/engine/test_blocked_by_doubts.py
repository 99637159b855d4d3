"""Rows in doubt that take up every place in flight: the command that is advised goes on, and pays for nothing twice."""

from pathlib import Path
from typing import Any

from batchrun.app.status import status
from batchrun.views.closing_summary import summary_lines
from batchrun.views.next_step import next_command
from tests.support.rehearsal import Rehearsal


def test_a_higher_limit_is_advised_while_they_block_the_others(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=5")
    options: dict[str, Any] = {"mode": "sync", "max_in_flight": 2}
    rehearsal.run(kill_after=8, **options)
    found = status(tmp_path / "job", rehearsal.clock)
    assert (found.submitting, found.doubts_in_flight) == (2, 2)
    assert next_command(found) == f"batchrun resume {tmp_path / 'job'} --max-in-flight 4"
    assert any("all of --max-in-flight is theirs until --run-timeout is over" in line for line in summary_lines(found))
    waited = rehearsal.run(max_runtime="60s", **options)
    assert waited.session.submissions == 0
    assert next_command(waited) == f"batchrun resume {tmp_path / 'job'} --max-in-flight 4"
    done = rehearsal.run(**options | {"max_in_flight": 4})
    assert (done.in_doubt, done.completed + done.in_doubt, done.doubts_in_flight) == (2, 12, 0)
    bodies = [body for _, body in rehearsal.posts()]
    assert len(bodies) == len(set(bodies))


def test_none_is_advised_once_their_time_is_over(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=5")
    rehearsal.run(kill_after=8, mode="sync", max_in_flight=2)
    rehearsal.clock.jump(3700)
    found = status(tmp_path / "job", rehearsal.clock)
    assert (found.submitting, found.doubts_in_flight) == (2, 0)
    assert next_command(found) == f"batchrun resume {tmp_path / 'job'}"
