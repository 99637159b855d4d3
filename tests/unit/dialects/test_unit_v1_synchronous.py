"""The answer to a synchronous submission."""

import pytest

from batchrun.domain.answers import (
    AcceptedAnswer,
    Inconclusive,
    Phase,
    Refusal,
    RunState,
    SyncResult,
)
from tests.unit.dialects.v1_answers import CREATED, ENVELOPE, EXAMPLE_TIMES, FAILED, HTML, OUTPUT, submit, synchronous


def test_example_of_a_synchronous_run_that_completed() -> None:
    body = (
        f'{{\n  "run_id": "run123",\n  "status": "completed",\n  "output": {OUTPUT},\n  '
        f"{EXAMPLE_TIMES % '2025-10-28T15:59:00Z'}\n}}"
    )
    end = RunState(Phase.COMPLETED, "completed", OUTPUT, created_at=CREATED, updated_at=CREATED + 20_000)
    assert synchronous(200, body) == SyncResult("run123", end)


def test_example_of_a_synchronous_run_that_failed() -> None:
    body = f'{{"run_id": "run123", "status": "failed", {FAILED}, {EXAMPLE_TIMES % "2025-10-28T15:58:45Z"}}}'
    answer = synchronous(200, body)
    assert isinstance(answer, SyncResult)
    assert (answer.run_id, answer.state.phase, answer.state.output) == ("run123", Phase.FAILED, None)
    assert answer.state.error_code == "WORKFLOW_EXECUTION_ERROR"
    assert answer.state.error_message == "Workflow execution failed due to invalid input."
    assert (answer.state.created_at, answer.state.updated_at) == (CREATED, CREATED + 5_000)


@pytest.mark.parametrize(
    ("fields", "output"),
    [
        ('"output": {"a": 1.10}', '{"a": 1.10}'),
        ('"outputs": [1]', "[1]"),
        ('"outputs": 2, "output": 1', "1"),
        ('"output": null', "null"),
        ('"error": null', None),
    ],
)
def test_the_output_of_a_synchronous_run_by_either_name(fields: str, output: str | None) -> None:
    answer = synchronous(200, f'{{"run_id": "r", "status": "Completed", {fields}}}')
    assert answer == SyncResult("r", RunState(Phase.COMPLETED, "Completed", output))


@pytest.mark.parametrize("word", ["pending", "running", "timeout", "cancelled", "success", "完成"])
def test_a_run_with_another_word_has_not_ended_and_is_asked_for_by_its_name(word: str) -> None:
    body = f'{{"run_id": "r", "status": "{word}", "output": 1, {FAILED}, "created_at": "2025-10-28T15:58:40Z"}}'
    assert synchronous(200, body) == AcceptedAnswer("r", word, CREATED)


@pytest.mark.parametrize("word", ["running", "timeout", "error"])
def test_without_a_name_it_is_neither_a_success_nor_a_refusal(word: str) -> None:
    assert isinstance(synchronous(200, f'{{"status": "{word}", {FAILED}}}'), Inconclusive)


@pytest.mark.parametrize("run_id", ["", '"run_id": null, ', '"run_id": "", ', '"run_id": {}, '])
def test_an_end_without_a_name_is_believed_with_what_is_documented_beside_it(run_id: str) -> None:
    done, failed = synchronous(200, f'{{{run_id}"status": "completed", "output": {{}}}}'), f'{run_id}"status": "failed"'
    assert done == SyncResult(None, RunState(Phase.COMPLETED, "completed", "{}"))
    answer = synchronous(200, f"{{{failed}, {FAILED}}}")
    assert isinstance(answer, SyncResult)
    assert (answer.run_id, answer.state.phase) == (None, Phase.FAILED)
    for nothing in ('"status": "completed"', '"status": "completed", "output": null', failed.removeprefix(run_id)):
        assert isinstance(synchronous(200, f"{{{run_id}{nothing}}}"), Inconclusive)


def test_an_end_is_believed_under_a_success_only_and_a_name_under_whatever_proves_no_refusal() -> None:
    body = f'{{"run_id": "r", "status": "failed", {FAILED}}}'
    for status in range(100, 600):
        answer = synchronous(status, body)
        refused = (400 <= status < 500 and status != 408) or status == 503
        assert isinstance(answer, SyncResult) == (200 <= status < 300), status
        assert isinstance(answer, Refusal) == refused, status
        assert refused or 200 <= status < 300 or answer == AcceptedAnswer("r", "failed"), status


@pytest.mark.parametrize("body", ["", HTML, ENVELOPE, "{}", "[]", "null", '"error"', '{"error": null}'])
def test_what_says_nothing_of_a_run_means_the_same_in_both_modes(body: str) -> None:
    for status in range(100, 600):
        assert synchronous(status, body) == submit(status, body), status
