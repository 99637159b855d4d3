"""A run that waits for a person. Whole jobs in virtual time."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from batchrun.dialects import DIALECTS
from batchrun.dialects.v1 import V1
from batchrun.domain.answers import Phase, PollAnswer, RunState, SubmitAnswer, SyncResult
from batchrun.domain.frozen import copied
from tests.support.rehearsal import Rehearsal

WAITS = "the run waits for a person and cannot go on in a batch"


class Interrupting(V1):
    """`v1`, but a failed run is reported as one that waits for a person."""

    name = "interrupting"

    def __init__(self, question: str | None = None) -> None:
        self.question = question

    def parse_synchronous(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> SubmitAnswer:
        answer = super().parse_synchronous(status, headers, body, received_at)
        return copied(answer, state=self._waiting(answer.state)) if isinstance(answer, SyncResult) else answer

    def parse_poll(self, status: int, headers: Mapping[str, str], body: bytes, received_at: int) -> PollAnswer:
        answer = super().parse_poll(status, headers, body, received_at)
        return self._waiting(answer) if isinstance(answer, RunState) else answer

    def _waiting(self, state: RunState) -> RunState:
        if state.phase is not Phase.FAILED:
            return state
        return copied(state, phase=Phase.INTERRUPTED, status="Interrupted", error_message=self.question)


@pytest.fixture
def interrupting(monkeypatch: pytest.MonkeyPatch) -> Interrupting:
    dialect = Interrupting()
    monkeypatch.setitem(DIALECTS, dialect.name, dialect)
    return dialect


@pytest.mark.parametrize("question", [None, "which one?"])
@pytest.mark.parametrize("options", [{}, {"mode": "sync"}])
def test_its_row_fails_and_is_not_submitted_again(
    tmp_path: Path, interrupting: Interrupting, options: dict[str, Any], question: str | None
) -> None:
    interrupting.question = question
    rehearsal = Rehearsal(tmp_path, 6, "fault=fail:id=2", "duration=3")
    summary = rehearsal.run(api=interrupting.name, retry_failed_runs=True, **options)
    assert (summary.exit_code, summary.completed, len(rehearsal.posts())) == (3, 5, 6)
    assert summary.errors_by_kind == {"interrupted": 1}
    [error] = rehearsal.errors().values()
    assert (error["row"], error["state"], error["error_kind"]) == (2, "failed", "interrupted")
    assert error["error_message"] == (WAITS if question is None else f"{WAITS}: {question}")
    assert (error["status"], error["http_status"]) == ("Interrupted", 200)
    assert error["run_id"].startswith("run_")


def test_a_timed_out_run_that_turns_out_to_wait_has_failed(tmp_path: Path, interrupting: Interrupting) -> None:
    rehearsal = Rehearsal(tmp_path, 2, "fault=fail:id=1", "duration=100")
    assert rehearsal.run(api=interrupting.name, run_timeout=20).timed_out == 2
    rehearsal.clock.jump(100)
    summary = rehearsal.run(api=interrupting.name, run_timeout=20)
    assert (summary.completed, summary.failed, summary.errors_by_kind) == (1, 1, {"interrupted": 1})
    assert len(rehearsal.posts()) == 2


def test_retry_submits_its_row_again(tmp_path: Path, interrupting: Interrupting) -> None:
    rehearsal = Rehearsal(tmp_path, 2, "fail=1", "duration=1")
    assert rehearsal.run(api=interrupting.name).failed == 2
    rehearsal.serve("duration=1")
    assert rehearsal.retry(api=interrupting.name).completed == 2
