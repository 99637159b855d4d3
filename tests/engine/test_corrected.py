"""A job whose every POST was refused: nothing of it exists at the service, so it is corrected and begun anew."""

from pathlib import Path
from typing import Any

import pytest

from batchrun.app.check import check
from batchrun.app.python_api import resume
from batchrun.app.report import report
from batchrun.app.status import status
from batchrun.domain.summary import Summary
from batchrun.errors import InputError
from batchrun.job import build_job
from batchrun.ports import Response
from batchrun.views.closing_summary import summary_lines
from batchrun.views.next_step import CORRECT, next_command
from tests.support.rehearsal import Rehearsal

ROWS = [{"id": str(row), "txt": "x"} for row in range(12)]
NOT_FOUND = Response(404, b'{"error": {"code": "NOT_FOUND", "message": "no such workflow"}}')
INVALID = Response(400, b'{"error": {"code": "INVALID", "message": "text is missing"}}')


def refused(folder: Path, answer: Response) -> tuple[Rehearsal, Summary]:
    rehearsal = Rehearsal(folder, ROWS)
    rehearsal.answer = lambda request: answer if request.method == "POST" else None
    summary = rehearsal.run()
    assert (summary.exit_code, summary.queued) == (4, len(ROWS))
    rehearsal.answer = lambda _request: None
    return rehearsal, summary


@pytest.mark.parametrize(
    ("answer", "corrected"),
    [
        (NOT_FOUND, {"workflow_id": "other"}),
        (NOT_FOUND, {"base_url": "https://api.example.test"}),
        (INVALID, {"param": {"text": "txt"}}),
        (INVALID, {"skip": ["txt"], "const": {"text": "x"}}),
    ],
)
def test_it_is_corrected_and_begun_anew(
    tmp_path: Path, answer: Response, corrected: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    rehearsal, summary = refused(tmp_path, answer)
    assert summary_lines(summary)[-1] == summary_lines(status(tmp_path / "job"))[-1] == CORRECT
    assert next_command(summary) is None
    assert "run the first command again" in report(tmp_path / "job").read_text()
    assert check(build_job(rehearsal.options | corrected), "token", look_up=False).replaces
    posts = len(rehearsal.posts())
    done = rehearsal.run(**corrected)
    assert (done.completed, done.is_mistake) == (len(ROWS), False)
    assert "nothing of the job in job was accepted; it is now job.2" in caplog.text
    assert len(rehearsal.posts()) == posts + len(ROWS)
    assert status(tmp_path / "job").job["workflow_id"] == corrected.get("workflow_id", "echo")
    with pytest.raises(InputError, match="was begun differently"):
        rehearsal.run()


@pytest.mark.parametrize("answer", [Response(200, b"<html>"), None])
def test_once_the_service_may_have_a_run_nothing_is_corrected(tmp_path: Path, answer: Response | None) -> None:
    rehearsal, answers = Rehearsal(tmp_path, ROWS, "duration=1"), iter([answer])
    rehearsal.answer = lambda request: next(answers, NOT_FOUND) if request.method == "POST" else None
    summary = rehearsal.run()
    assert summary.exit_code == 4
    assert summary_lines(summary)[-1] == f"To continue: batchrun resume {tmp_path / 'job'}"
    with pytest.raises(InputError, match="was begun differently"):
        rehearsal.run(workflow_id="other")


def test_resume_still_goes_on_where_the_service_was_corrected(tmp_path: Path) -> None:
    rehearsal, _ = refused(tmp_path, NOT_FOUND)
    with pytest.raises(InputError, match="cannot change"):
        resume(tmp_path / "job", workflow_id="other")
    assert rehearsal.run().completed == len(ROWS)


def test_options_are_corrected_also_after_a_first_try_of_few_rows(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=1")
    rehearsal.answer = lambda request: INVALID if request.method == "POST" else None
    tried = rehearsal.run(limit=5)
    assert (tried.exit_code, tried.errors_by_kind) == (3, {"rejected": 5})
    assert "to correct options, run the first command again with the right ones" in summary_lines(tried)[-1]
    rehearsal.answer = lambda _request: None
    assert rehearsal.run(rename={"text": "txt"}).completed == len(ROWS)
    with pytest.raises(InputError, match="was begun differently"):
        rehearsal.run()


def test_an_input_that_was_corrected_is_taken_too(tmp_path: Path) -> None:
    rehearsal, _ = refused(tmp_path, INVALID)
    path = rehearsal.options["input"]
    path.write_text(path.read_text().replace("txt", "text"))
    assert rehearsal.run().completed == len(ROWS)


def test_fresh_says_how_many_completed_rows_are_set_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=0.1")
    rehearsal.run(limit=5)
    rehearsal.run(fresh=True)
    assert ", with 5 completed rows, which this job submits again" in caplog.text


def test_columns_that_have_changed_are_named(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, ROWS, "duration=0.1")
    rehearsal.run(limit=5)
    path = rehearsal.options["input"]
    path.write_text(path.read_text().replace("id,txt", "id,text"))
    with pytest.raises(
        InputError, match=r"columns have changed \(rows may be appended only\): no longer txt; new: text"
    ):
        rehearsal.run()
