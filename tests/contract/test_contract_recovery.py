"""What a new session does with the rows that a killed one was submitting, over the real checkpoint and its marks."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from batchrun.adapters.checkpoint import session_reader
from batchrun.adapters.checkpoint.marks import Marks
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.app.recovery import recover
from batchrun.domain.counters import Counters
from batchrun.domain.events import Accepted, RefusedForNow, RowEvent, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.domain.states import Event, State
from batchrun.job import build_job
from tests.contract.row_lives import NOW, PROBLEM, commit, concrete, life_to, put

FILE = "checkpoint.marks"
UNSENT, UNANSWERED = "unsent", "unanswered"


def killed(checkpoint: Checkpoint, folder: Path, posts: Mapping[int, RowEvent | str]) -> None:
    """A session that is killed with these POSTs in progress: what was answered, or how far they have come."""
    marks = Marks(checkpoint, folder / FILE, checkpoint.begin_session(NOW, "1"))
    marks.start(1)
    for number, post in posts.items():
        started = SubmitStarted(NOW)
        marks.record(decide(Row(number), started), started)
        row = put(checkpoint, Row(number), started)
        if post != UNSENT:
            marks.sent(number)
        if not isinstance(post, str):
            marks.record(decide(row, post), post)
    checkpoint.commit([], Counters(submissions=len(posts)), NOW, 1.0)


def recovered(checkpoint: Checkpoint, folder: Path, in_doubt: str = "hold") -> dict[int, Row]:
    """The rows after the start of the next session."""
    checkpoint.begin_session(NOW + 1000, "1")
    job = build_job({"input": "in.csv", "workflow_id": "w", "in_doubt": in_doubt})
    recover(checkpoint, folder / FILE, job, None, NOW + 1000)
    return {row.row: row for row in checkpoint.rows(*State)}


@pytest.mark.parametrize(
    ("in_doubt", "unanswered"), [("hold", State.IN_DOUBT), ("resubmit", State.QUEUED), ("fail", State.FAILED)]
)
def test_each_row_goes_on_from_where_its_post_was(
    checkpoint: Checkpoint, tmp_path: Path, in_doubt: str, unanswered: State
) -> None:
    accepted, refused = Accepted("r", "pending", NOW, NOW + 1), RefusedForNow(PROBLEM, NOW, NOW + 9000)
    killed(checkpoint, tmp_path, {0: UNSENT, 1: UNANSWERED, 2: accepted, 3: refused, 4: UNSENT})
    rows = recovered(checkpoint, tmp_path, in_doubt)
    assert {number: row.state for number, row in rows.items()} == {
        0: State.QUEUED,
        1: unanswered,
        2: State.RUNNING,
        3: State.QUEUED,
        4: State.QUEUED,
    }
    assert [rows[number].attempts for number in range(5)] == [0, 1, 1, 1, 0]
    assert (rows[2].run_id, rows[2].accepted_at) == ("r", NOW + 1)
    assert (rows[3].problem, rows[3].not_before) == (PROBLEM, NOW + 9000)


def test_posts_that_did_not_leave_are_not_counted_as_submissions(checkpoint: Checkpoint, tmp_path: Path) -> None:
    killed(checkpoint, tmp_path, {0: UNSENT, 1: UNANSWERED, 2: UNSENT})
    recovered(checkpoint, tmp_path)
    assert [session.submissions for session in session_reader.sessions(checkpoint._db)] == [0, 1, 0]


def test_a_session_that_is_killed_before_it_sends_anything_takes_no_proof_away(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    killed(checkpoint, tmp_path, {0: UNSENT})
    checkpoint.begin_session(NOW, "1")  # and is killed at once
    assert recovered(checkpoint, tmp_path)[0].state is State.QUEUED


def test_marks_that_were_used_do_not_count_again_for_a_session_without_marks(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    killed(checkpoint, tmp_path, {0: UNSENT})
    row = recovered(checkpoint, tmp_path)[0]
    put(checkpoint, row, SubmitStarted(NOW))  # the same row and attempt, by a session that has no marks
    checkpoint.commit([], Counters(submissions=1), NOW, 1.0)
    assert recovered(checkpoint, tmp_path)[0].state is State.IN_DOUBT


def test_a_run_id_that_another_row_has_leaves_the_row_in_doubt_and_no_other(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    commit(checkpoint, *life_to(State.RUNNING, 9, "r"))
    killed(checkpoint, tmp_path, {0: UNSENT, 1: Accepted("r", "pending", NOW, NOW), 2: concrete(Event.ACCEPTED)})
    rows = recovered(checkpoint, tmp_path)
    assert [rows[number].state for number in range(3)] == [State.QUEUED, State.IN_DOUBT, State.RUNNING]
    assert rows[1].problem is not None
