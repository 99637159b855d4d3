"""Marks: what is stored about POSTs in progress is found again after a kill, and counts only where it must be true."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.marks import EVENTS, SLOT_BYTES, SPARE_SLOTS, Marks
from batchrun.adapters.checkpoint.surviving_marks import surviving_marks
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.answers import RunDetails
from batchrun.domain.counters import Counters
from batchrun.domain.events import Accepted, Refunded, RowEvent, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.domain.states import TABLE, Event, State
from batchrun.ports import DuplicateRunError
from tests.contract.row_lives import NOW, concrete

FILE = "checkpoint.marks"


@contextmanager
def marks_of(checkpoint: Checkpoint, folder: Path, connections: int = 1) -> Iterator[Marks]:
    """The marks of a new session. They are not closed, as after a kill."""
    marks = Marks(checkpoint, folder / FILE, checkpoint.begin_session(NOW, "1"))
    marks.start(connections)
    yield marks


def submitting(number: int = 0) -> Row:
    return decide(Row(number), SubmitStarted(NOW))


def prepared(marks: Marks, number: int = 0) -> Row:
    """A row whose intent is about to be recorded."""
    row = submitting(number)
    marks.record(row, SubmitStarted(NOW))
    return row


def committed(marks: Marks, row: Row, event: RowEvent, error: Exception | None = None) -> None:
    marks.committed([Entry(row, event)], [error])


def found(checkpoint: Checkpoint, folder: Path, row: Row) -> RowEvent | None:
    return surviving_marks(checkpoint, folder / FILE).outcome(row, NOW + 1)


def test_a_post_that_was_not_handed_to_the_socket_is_refunded(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
    assert found(checkpoint, tmp_path, row) == Refunded(NOW + 1)
    assert not surviving_marks(checkpoint, tmp_path / FILE).was_sent(row)


def test_a_post_that_was_handed_to_the_socket_proves_nothing(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
        marks.sent(row.row)
    assert found(checkpoint, tmp_path, row) is None


def test_after_a_refused_token_the_post_may_be_sent_again(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
        marks.sent(row.row)
        marks.not_accepted(row.row)
        assert found(checkpoint, tmp_path, row) == Refunded(NOW + 1)
        marks.sent(row.row)
    assert found(checkpoint, tmp_path, row) is None


@pytest.mark.parametrize(
    "event", [event for event in TABLE[State.SUBMITTING] if event is not Event.FOUND_AFTER_RESTART]
)
def test_the_outcome_that_was_about_to_be_recorded_is_found(
    checkpoint: Checkpoint, tmp_path: Path, event: Event
) -> None:
    outcome = concrete(event)
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
        marks.sent(row.row)
        marks.record(decide(row, outcome), outcome)
    assert found(checkpoint, tmp_path, row) == (outcome if isinstance(outcome, EVENTS) else None)


def test_all_that_the_service_said_of_an_accepted_run_is_found(checkpoint: Checkpoint, tmp_path: Path) -> None:
    accepted = Accepted("é" * 512, "pending", NOW, NOW, NOW - 5, RunDetails("log", "https://debug", 1, 2, 3))
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
        marks.sent(row.row)
        marks.record(decide(row, accepted), accepted)
    assert found(checkpoint, tmp_path, row) == accepted


@pytest.mark.parametrize("run_id", ["r" * SLOT_BYTES, "half \ud83d"])
def test_an_answer_that_fits_in_no_slot_counts_as_none(checkpoint: Checkpoint, tmp_path: Path, run_id: str) -> None:
    accepted = Accepted(run_id, "pending", NOW, NOW)
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
        marks.record(decide(row, accepted), accepted)
    assert found(checkpoint, tmp_path, row) is None


def test_the_run_id_of_another_row_is_forgotten_when_the_checkpoint_refuses_it(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    accepted, unconfirmed = Accepted("r", "pending", NOW, NOW), concrete(Event.UNCONFIRMED)
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
        marks.sent(row.row)
        marks.record(decide(row, accepted), accepted)
        committed(marks, decide(row, accepted), accepted, DuplicateRunError("r"))
        marks.record(decide(row, unconfirmed), unconfirmed)
        assert found(checkpoint, tmp_path, row) is None
        committed(marks, decide(row, unconfirmed), unconfirmed)
        marks.close()
    assert not (tmp_path / FILE).exists()


def test_a_slot_is_free_again_when_the_outcome_is_committed_and_not_before(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    accepted = Accepted("r", "pending", NOW, NOW)
    with marks_of(checkpoint, tmp_path) as marks:
        rows = [prepared(marks, number) for number in range(1 + SPARE_SLOTS)]
        late = prepared(marks, 1000)
        marks.record(decide(rows[0], accepted), accepted)
        later = prepared(marks, 1001)
        committed(marks, rows[1], SubmitStarted(NOW))  # the intent alone
        committed(marks, decide(rows[0], accepted), accepted)
        last = prepared(marks, 1002)
        marks.sent(late.row)  # it has no slot, and must not use that of another row
    assert found(checkpoint, tmp_path, late) is None
    assert found(checkpoint, tmp_path, later) is None
    assert found(checkpoint, tmp_path, rows[0]) is None
    assert found(checkpoint, tmp_path, rows[1]) == Refunded(NOW + 1)
    assert found(checkpoint, tmp_path, last) == Refunded(NOW + 1)


def test_marks_of_another_attempt_or_row_do_not_count(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
    again = decide(decide(row, concrete(Event.REFUSED_FOR_NOW)), SubmitStarted(NOW))
    assert found(checkpoint, tmp_path, again) is None
    assert found(checkpoint, tmp_path, submitting(1)) is None


def test_a_copy_of_the_file_does_not_count_and_a_moved_one_does(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
    moved, copy = tmp_path / "moved", tmp_path / "copy"
    (tmp_path / FILE).rename(moved)
    shutil.copy2(moved, copy)
    assert surviving_marks(checkpoint, copy).outcome(row, NOW) is None
    assert surviving_marks(checkpoint, moved).outcome(row, NOW) == Refunded(NOW)
    assert found(checkpoint, tmp_path, row) is None, "the file is gone"


@pytest.mark.parametrize("change", [{"boot": "another"}, {"key": "0" * 32}, {"session": 99}, {"device": 1}])
def test_marks_of_another_boot_session_or_job_do_not_count(
    checkpoint: Checkpoint, tmp_path: Path, change: dict[str, object]
) -> None:
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
    recorded = msgspec.json.decode(checkpoint.meta()["marks"])
    checkpoint.set_meta(marks=msgspec.json.encode(recorded | change).decode())
    assert found(checkpoint, tmp_path, row) is None


@pytest.mark.parametrize("text", ["", "null", "{}", "[1]"])
def test_a_record_that_cannot_be_read_does_not_count(checkpoint: Checkpoint, tmp_path: Path, text: str) -> None:
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
    checkpoint.set_meta(marks=text)
    assert found(checkpoint, tmp_path, row) is None


@pytest.mark.parametrize("submissions", [0, 1])
def test_marks_do_not_count_if_a_later_session_without_marks_has_sent_anything(
    checkpoint: Checkpoint, tmp_path: Path, submissions: int
) -> None:
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
    checkpoint.begin_session(NOW, "1")
    checkpoint.commit([], Counters(submissions=submissions), NOW, 1.0)
    assert found(checkpoint, tmp_path, row) == (None if submissions else Refunded(NOW + 1))


def test_a_damaged_answer_counts_as_none(checkpoint: Checkpoint, tmp_path: Path) -> None:
    accepted = Accepted("run-of-this-row", "pending", NOW, NOW)
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
        marks.record(decide(row, accepted), accepted)
    content = (tmp_path / FILE).read_bytes()
    at = content.index(b"run-of-this-row")
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(at)
        file.write(b"R")
    assert found(checkpoint, tmp_path, row) is None
    with (tmp_path / FILE).open("r+b") as file:
        file.truncate(at + 3)
    assert found(checkpoint, tmp_path, row) is None


def test_where_the_file_cannot_be_created_the_session_has_no_marks(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / f".{FILE}.tmp" / "x").mkdir(parents=True)
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
        marks.sent(row.row)
        marks.record(decide(row, Refunded(NOW)), Refunded(NOW))
        marks.close()
    assert found(checkpoint, tmp_path, row) is None


def test_the_file_is_complete_private_and_gone_after_a_session_without_open_posts(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    with marks_of(checkpoint, tmp_path) as marks:
        file = (tmp_path / FILE).stat()
        assert file.st_blocks * 512 >= file.st_size > 0, "a page without a block could not be stored on a full disk"
        assert file.st_mode & 0o077 == 0
        row = prepared(marks)
        committed(marks, decide(row, Refunded(NOW)), Refunded(NOW))
        marks.close()
    assert list(tmp_path.glob("*marks*")) == []


def test_the_file_stays_if_an_outcome_could_not_be_committed(checkpoint: Checkpoint, tmp_path: Path) -> None:
    with marks_of(checkpoint, tmp_path) as marks:
        row = prepared(marks)
        marks.close()
    assert found(checkpoint, tmp_path, row) == Refunded(NOW + 1)
