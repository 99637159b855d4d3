"""The documented dialect: its requests, and the examples of the documentation."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchrun.dialects.base import ApiRequest
from batchrun.domain.answers import (
    AcceptedAnswer,
    Phase,
    Refusal,
    RefusalKind,
    RunState,
)
from tests.unit.dialects.v1_answers import (
    CREATED,
    EXAMPLE_TIMES,
    OUTPUT,
    poll,
    state,
    submission,
    submit,
    v1,
)

# -- requests


def test_the_request_of_an_asynchronous_run_is_the_documented_one() -> None:
    body = submission("your_workflow_id", {"param1": "value1", "param2": "value2"})
    assert json.loads(body) == {
        "workflow_id": "your_workflow_id",
        "inputs": {"param1": "value1", "param2": "value2"},
        "async": True,
    }
    assert v1.submit_request("w", {}).path == "/v1/workflow/run"
    assert v1.submit_request("w", {}).method == "POST"
    assert v1.default_base_url == "https://api.coze.cn"


def test_the_request_of_a_synchronous_run_says_so() -> None:
    body = submission("your_workflow_id", {"param1": "value1"}, synchronous=True)
    assert json.loads(body) == {"workflow_id": "your_workflow_id", "inputs": {"param1": "value1"}, "async": False}


def test_a_row_without_inputs_sends_an_empty_object() -> None:
    assert json.loads(submission("w", {}))["inputs"] == {}


def test_a_poll_names_the_run_and_nothing_else() -> None:
    assert v1.poll_request("your_workflow_id", "run123") == ApiRequest("GET", "/v1/workflow/history/run123")


@pytest.mark.parametrize(
    ("run_id", "quoted"),
    [("a/b", "a%2Fb"), ("a?b#c", "a%3Fb%23c"), ("a b", "a%20b"), ("50%", "50%25"), ("运行", "%E8%BF%90%E8%A1%8C")],
)
def test_a_poll_quotes_what_has_a_meaning_in_a_path(run_id: str, quoted: str) -> None:
    assert v1.poll_request("w", run_id).path == f"/v1/workflow/history/{quoted}"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_a_quoted_run_never_leaves_its_place_in_the_path(run_id: str) -> None:
    rest = v1.poll_request("w", run_id).path.removeprefix("/v1/workflow/history/")
    assert not set(rest) & set("/?#% \r\n") - {"%"}
    assert rest.isascii()


# -- the documented examples


INPUTS = '"inputs": {"param1": "value1", "param2": "value2"}'


def test_example_accepted() -> None:
    body = '{\n  "run_id": "run123",\n  "status": "pending",\n  "created_at": "2025-10-28T15:58:40Z"\n}'
    assert submit(200, body) == AcceptedAnswer("run123", "pending", CREATED)


def test_example_run_completed() -> None:
    body = (
        '{\n  "run_id": "run123",\n  "workflow_id": "your_workflow_id",\n  "status": "completed",\n  '
        f'{INPUTS},\n  "outputs": {OUTPUT},\n  {EXAMPLE_TIMES % "2025-10-28T16:00:00Z"}\n}}'
    )
    assert state(body) == RunState(
        Phase.COMPLETED, "completed", OUTPUT, created_at=CREATED, updated_at=CREATED + 80_000
    )


def test_example_run_running() -> None:
    body = (
        f'{{"run_id": "run123", "workflow_id": "w", "status": "running", {INPUTS}, '
        f"{EXAMPLE_TIMES % '2025-10-28T15:59:30Z'}}}"
    )
    assert state(body) == RunState(Phase.RUNNING, "running", created_at=CREATED, updated_at=CREATED + 50_000)


def test_example_run_failed() -> None:
    body = (
        f'{{"run_id": "run123", "workflow_id": "w", "status": "failed", {INPUTS}, '
        '"error": {"code": "WORKFLOW_EXECUTION_ERROR", "message": "Workflow execution failed due to timeout."}, '
        f"{EXAMPLE_TIMES % '2025-10-28T15:59:45Z'}}}"
    )
    assert state(body) == RunState(
        Phase.FAILED,
        "failed",
        None,
        "WORKFLOW_EXECUTION_ERROR",
        "Workflow execution failed due to timeout.",
        CREATED,
        CREATED + 65_000,
    )


def test_example_run_pending() -> None:
    body = (
        f'{{"run_id": "run123", "workflow_id": "w", "status": "pending", {INPUTS}, '
        f"{EXAMPLE_TIMES % '2025-10-28T15:58:40Z'}}}"
    )
    assert state(body) == RunState(Phase.RUNNING, "pending", created_at=CREATED, updated_at=CREATED)


def test_example_of_the_synchronous_answer_with_its_other_spelling_of_the_output() -> None:
    body = (
        f'{{"run_id": "run123", "status": "completed", "output": {OUTPUT}, {EXAMPLE_TIMES % "2025-10-28T15:59:00Z"}}}'
    )
    assert state(body) == RunState(
        Phase.COMPLETED, "completed", OUTPUT, created_at=CREATED, updated_at=CREATED + 20_000
    )
    assert submit(200, body) == AcceptedAnswer("run123", "completed", CREATED)


def test_example_of_an_error_with_each_documented_status() -> None:
    body = '{"error": {"code": "ERROR_CODE", "message": "Error message description"}}'
    for status, kind in [
        (400, RefusalKind.ROW),
        (401, RefusalKind.CREDENTIALS),
        (404, RefusalKind.CONFIGURATION),
        (500, RefusalKind.BUSY),
    ]:
        assert submit(status, body) == Refusal(kind, status, "ERROR_CODE", "Error message description")
    assert poll(404, body) == Refusal(RefusalKind.GONE, 404, "ERROR_CODE", "Error message description")
