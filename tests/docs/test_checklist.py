"""The documented API as a checklist of 36 points, one test for each, named by its number.

What is asked of the runner is checked on whole jobs; the documentation's own examples are the service's answers.
"""

import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import batchrun
from batchrun.dialects import DIALECTS
from batchrun.dialects.base import iso_ms
from batchrun.errors import InputError
from batchrun.job import build_job
from batchrun.ports import Request, Response, TransportError
from tests.support.rehearsal import CALLED_BACK, Rehearsal
from tests.support.stub_server import ReceivedRequest, StubResponse, StubServer, stub_server

POINTS = 36

SECRET = "pat_" + "s3cr3t" * 4
ACCEPTED = '{"run_id": "run%s", "status": "pending", "created_at": "2025-10-28T15:58:40Z"}'
STATE = (
    '{"run_id": "run123", "workflow_id": "your_workflow_id", "status": "%s", "inputs": {"param1": "value1"}, %s'
    '"created_at": "2025-10-28T15:58:40Z", "updated_at": "2025-10-28T16:00:00Z"}'
)
DONE = STATE % ("completed", '"outputs": {"result": "success", "data": {"key1": "value1"}}, ')
FAILED = STATE % (
    "failed",
    '"error": {"code": "WORKFLOW_EXECUTION_ERROR", "message": "Workflow execution failed due to timeout."}, ',
)
WORKFLOW = "7412345678901234567"
ENVELOPE = b'{"error": {"code": "ERROR_CODE", "message": "Error message description"}}'


def about_its_run(state: str, path: str, workflow_id: str) -> str:
    """The documented answer to a poll, with the names of the run that the path asks for in place of the examples."""
    run_id = path.rpartition("/")[2]
    state = state.replace("run123", run_id).replace("your_workflow_id", workflow_id)
    return state.replace("value1", run_id.removeprefix("run")) if run_id.startswith("runvalue") else state


class Documented:
    """A service that answers with the documentation's examples, and a finished job of three rows at it."""

    def __init__(self, folder: Path, server: StubServer) -> None:
        self.folder = folder
        self.server = server
        self.posts = [request for request in server.requests if request.method == "POST"]
        self.polls = [request for request in server.requests if request.method == "GET"]


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Documented]:
    folder = tmp_path_factory.mktemp("documented")
    (folder / "rows.csv").write_text("param1,other\nvalue1,a\nvalue2,b\nvalue3,c\n")
    (folder / "token").write_text(SECRET)
    polls: dict[str, int] = {}

    def answer(request: ReceivedRequest) -> StubResponse:
        if request.method == "POST":
            return StubResponse(200, (ACCEPTED % json.loads(request.body)["inputs"]["param1"]).encode())
        polls[request.path] = polls.get(request.path, 0) + 1
        ended = FAILED if "value3" in request.path else DONE
        state = [STATE % ("pending", ""), STATE % ("running", ""), ended][min(polls[request.path], 3) - 1]
        return StubResponse(200, about_its_run(state, request.path, WORKFLOW).encode())

    with stub_server(answer) as server:
        values: dict[str, Any] = {
            "api": "v1",
            "base_url": server.url,
            "token_file": folder / "token",
            "poll_initial": 0.05,
        }
        values |= {"input": folder / "rows.csv", "workflow_id": WORKFLOW, "out": folder / "job"}
        summary = batchrun.run(build_job(values | {"rps": 100, "poll_max": 0.1, "skip": ["other"]}))
        assert (summary.completed, summary.failed) == (2, 1), summary.reason
        yield Documented(folder, server)


def outputs(job: Documented) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(job.folder / "job" / "outputs.parquet").to_pylist()
    return rows


def answers(status: int, body: bytes | str, method: str = "POST") -> Callable[[Request], Response | None]:
    text = body if isinstance(body, str) else body.decode()

    def answer(request: Request) -> Response | None:
        if request.method != method:
            return None
        return Response(status, (about_its_run(text, request.path, "echo") if method == "GET" else text).encode())

    return answer


# -- submitting


def test_01_a_run_is_submitted_to_the_documented_address(job: Documented) -> None:
    v1 = DIALECTS["v1"]
    assert v1.default_base_url + v1.submit_request("w", {}).path == "https://api.coze.cn/v1/workflow/run"
    assert {(request.method, request.path) for request in job.posts} == {("POST", "/v1/workflow/run")}
    assert len(job.posts) == 3


def test_02_the_headers_are_the_token_and_the_fixed_content_type(job: Documented) -> None:
    for request in job.posts:
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert request.headers["content-type"] == "application/json"


def test_03_the_workflow_is_sent_as_text(job: Documented) -> None:
    assert {json.loads(request.body)["workflow_id"] for request in job.posts} == {"7412345678901234567"}


def test_04_the_inputs_are_an_object_under_the_names_that_the_workflow_declares(
    job: Documented, tmp_path: Path
) -> None:
    assert json.loads(job.posts[0].body)["inputs"] == {"param1": "value1"}
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.run(param={"declared": "id"}, const={"fixed": 1})
    assert rehearsal.inputs_of(rehearsal.posts()[0][1]) == {"declared": "0", "fixed": 1}


def test_05_the_mode_is_always_sent(job: Documented, tmp_path: Path) -> None:
    for request in job.posts:
        assert json.loads(request.body)["async"] is True
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.run(mode="sync")
    assert json.loads(rehearsal.posts()[0][1])["async"] is False


# -- what the answers hold

SYNC_DONE = (
    '{"run_id": "run123", "status": "completed", "output": {"result": "success"}, '
    '"created_at": "2025-10-28T15:58:40Z", "updated_at": "2025-10-28T15:59:00Z"}'
)
SYNC_FAILED = SYNC_DONE.replace("completed", "failed").replace(
    '"output": {"result": "success"}',
    '"error": {"code": "WORKFLOW_EXECUTION_ERROR", "message": "Workflow execution failed due to invalid input."}',
)


def synchronous(folder: Path, answer: str) -> Rehearsal:
    """A finished job of one row whose POST was answered like this."""
    rehearsal = Rehearsal(folder, 1)
    rehearsal.answer = answers(200, answer)
    rehearsal.run(mode="sync", run_timeout=30)
    assert len(rehearsal.posts()) == 1
    return rehearsal


def test_06_a_callback_is_asked_for_in_asynchronous_mode_alone(job: Documented, tmp_path: Path) -> None:
    assert all("callback_url" not in json.loads(request.body) for request in job.posts)
    for mode, expected in (("async", 3), ("sync", 0)):
        (tmp_path / mode).mkdir()
        rehearsal = Rehearsal(tmp_path / mode, 3, "duration=1")
        rehearsal.run(mode=mode, **CALLED_BACK)
        urls = [json.loads(body).get("callback_url", "") for _, body in rehearsal.posts()]
        assert sum(url.startswith(CALLED_BACK["callback_url"]) for url in urls) == expected


@pytest.mark.parametrize("payload", [b"", b"{}", b"[1", b"<html>", b"\xff", b'{"run_id":"another","status":"failed"}'])
def test_07_a_callback_may_hold_anything(tmp_path: Path, payload: bytes) -> None:
    rehearsal = Rehearsal(tmp_path, 3, "duration=20")
    rehearsal.deliver = lambda path, _body: [(path, payload), (path, payload)]
    summary = rehearsal.run(**CALLED_BACK)
    assert (summary.exit_code, summary.completed) == (0, 3)


def test_08_a_synchronous_answer_names_its_run(tmp_path: Path) -> None:
    assert synchronous(tmp_path, SYNC_DONE).outputs()[0]["run_id"] == "run123"


def test_09_a_synchronous_answer_is_the_end_only_by_a_word_that_says_so(tmp_path: Path) -> None:
    rehearsal = synchronous(tmp_path, SYNC_DONE)
    assert rehearsal.outputs()[0]["status"] == "completed"
    assert rehearsal.polls() == []
    (tmp_path / "odd").mkdir()
    odd = synchronous(tmp_path / "odd", SYNC_DONE.replace("completed", "running"))
    assert odd.outputs() == {}
    assert odd.polls(), "the history tells"


def test_10_a_synchronous_answer_holds_the_output(tmp_path: Path) -> None:
    assert synchronous(tmp_path, SYNC_DONE).outputs()[0]["output"] == '{"result": "success"}'


def test_11_a_synchronous_answer_holds_the_error(tmp_path: Path) -> None:
    error = synchronous(tmp_path, SYNC_FAILED).errors()[0]
    assert (error["error_kind"], error["error_code"]) == ("run_failed", "WORKFLOW_EXECUTION_ERROR")
    assert error["error_message"] == "Workflow execution failed due to invalid input."


def test_12_a_synchronous_answer_says_when_the_run_began_and_ended(tmp_path: Path) -> None:
    row = synchronous(tmp_path, SYNC_DONE).outputs()[0]
    assert row["created_at"].isoformat() == "2025-10-28T15:58:40+00:00"
    assert row["updated_at"].isoformat() == "2025-10-28T15:59:00+00:00"


def test_13_the_answer_to_an_asynchronous_submission_is_an_acceptance(job: Documented) -> None:
    assert [row["run_id"] for row in outputs(job)] == ["runvalue1", "runvalue2"]


def test_14_a_run_is_asked_for_at_the_documented_address_with_the_token_alone(job: Documented) -> None:
    assert DIALECTS["v1"].poll_request("w", "run123").path == "/v1/workflow/history/run123"
    for request in job.polls:
        assert re.fullmatch(r"/v1/workflow/history/runvalue[123]", request.path)
        assert request.headers["authorization"] == f"Bearer {SECRET}"
        assert "content-type" not in request.headers
        assert request.body == b""


def test_15_a_job_sends_no_query_and_history_the_documented_one(job: Documented) -> None:
    assert all("?" not in request.path for request in job.polls)
    query: dict[str, str | int | None] = {"workflow_id": "w", "status": "completed", "limit": 5, "offset": 0}
    path = DIALECTS["v1"].history_request("run123", query).path
    assert path == "/v1/workflow/history/run123?workflow_id=w&status=completed&limit=5&offset=0"


def test_16_the_fields_of_a_poll_are_kept(job: Documented) -> None:
    for row in outputs(job):
        assert row["status"] == "completed"
        assert row["created_at"].isoformat() == "2025-10-28T15:58:40+00:00"
        assert row["updated_at"].isoformat() == "2025-10-28T16:00:00+00:00"


def test_17_the_output_is_taken_under_both_spellings(job: Documented, tmp_path: Path) -> None:
    assert json.loads(outputs(job)[0]["output"]) == {"result": "success", "data": {"key1": "value1"}}
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.answer = answers(200, DONE.replace("outputs", "output"), "GET")
    rehearsal.run()
    assert json.loads(rehearsal.outputs()[0]["output"])["result"] == "success"


def test_18_the_error_of_a_run_is_kept(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.answer = answers(200, FAILED, "GET")
    rehearsal.run()
    error = rehearsal.errors()[0]
    assert error["error_code"] == "WORKFLOW_EXECUTION_ERROR"
    assert error["error_message"] == "Workflow execution failed due to timeout."


# -- states


def test_19_a_word_that_is_not_documented_is_no_success_and_no_crash(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.answer = answers(200, STATE % ("cancelled", ""), "GET")
    summary = rehearsal.run(run_timeout=100)
    assert (summary.exit_code, summary.completed, summary.timed_out) == (3, 0, 1)
    assert rehearsal.errors()[0]["error_kind"] == "unknown_status"


def test_20_completed_and_failed_are_the_end(job: Documented) -> None:
    for number in "123":
        assert len([request for request in job.polls if request.path.endswith(f"value{number}")]) == 3


def test_21_a_failed_run_is_an_ordinary_answer_and_no_refusal(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.answer = answers(200, FAILED, "GET")
    rehearsal.run()
    error = rehearsal.errors()[0]
    assert (error["error_kind"], error["http_status"], error["status"]) == ("run_failed", 200, "failed")


def test_22_a_failed_run_is_submitted_again_only_if_that_is_asked_for(tmp_path: Path) -> None:
    for retry, posts in ((False, 1), (True, 3)):
        (tmp_path / str(retry)).mkdir()
        rehearsal = Rehearsal(tmp_path / str(retry), 1)
        rehearsal.answer = answers(200, FAILED, "GET")
        rehearsal.run(retry_failed_runs=retry, retries=2)
        assert len(rehearsal.posts()) == posts
        assert rehearsal.errors()[0]["error_code"] == "WORKFLOW_EXECUTION_ERROR"


# -- errors of requests


def test_23_the_error_envelope_is_understood(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.answer = answers(400, ENVELOPE)
    rehearsal.run()
    error = rehearsal.errors()[0]
    assert (error["error_code"], error["error_message"]) == ("ERROR_CODE", "Error message description")


def test_24_bad_parameters_are_not_tried_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.answer = answers(400, ENVELOPE)
    rehearsal.run()
    assert len(rehearsal.posts()) == 1
    assert rehearsal.errors()[0]["error_kind"] == "rejected"


def test_25_a_refused_token_is_refreshed_or_the_job_stops(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id\n1\n")
    (tmp_path / "token").write_text("expired-since-yesterday")

    def answer(request: ReceivedRequest) -> StubResponse:
        if request.headers["authorization"] == f"Bearer {SECRET}":
            return StubResponse(
                200, (ACCEPTED % 1 if request.method == "POST" else about_its_run(DONE, request.path, "w")).encode()
            )
        (tmp_path / "token").write_text(SECRET)
        return StubResponse(401, ENVELOPE)

    with stub_server(answer) as server:
        about: dict[str, Any] = {
            "input": tmp_path / "rows.csv",
            "workflow_id": "w",
            "api": "v1",
            "base_url": server.url,
        }
        values = about | {"token_file": tmp_path / "token", "poll_initial": 0.05}
        assert batchrun.run(build_job(values | {"out": tmp_path / "refreshed"})).exit_code == 0
    with stub_server(lambda _: StubResponse(401, ENVELOPE)) as server:
        summary = batchrun.run(build_job(values | {"out": tmp_path / "stopped", "base_url": server.url}))
        assert (summary.exit_code, summary.queued, len(server.requests)) == (4, 1, 1)


def test_26_not_found_is_the_workflow_or_the_run(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 5)
    rehearsal.answer = answers(404, ENVELOPE)
    summary = rehearsal.run()
    assert (summary.exit_code, summary.queued, len(rehearsal.posts())) == (4, 5, 1)
    rehearsal.answer = answers(404, ENVELOPE, "GET")
    assert rehearsal.run().exit_code == 3
    assert {row["error_kind"] for row in rehearsal.errors().values()} == {"lost"}


def test_27_an_error_of_the_server_is_tried_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 2)
    rehearsal.answer = lambda request: (
        Response(500, ENVELOPE) if request.method == "POST" and not rehearsal.posts() else None
    )
    assert rehearsal.run().completed == 2
    assert len(rehearsal.posts()) == 3


# -- polling


def test_28_polls_begin_after_a_second_and_back_off_to_thirty(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1, "duration=300")
    rehearsal.run()
    times = [rehearsal.posts()[0][0], *(at for at, _ in rehearsal.polls())]
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert 0.9 <= waits[0] <= 2
    assert all(1.6 <= later / earlier <= 2.5 for earlier, later in pairwise(waits[:4]))
    assert 26 <= max(waits) <= 33.1


def test_29_the_time_limit_of_polls_is_an_option(tmp_path: Path) -> None:
    limits: list[dict[str, Any]] = [{"max_polls": 4}, {"run_timeout": 20}]
    for number, limit in enumerate(limits):
        (tmp_path / str(number)).mkdir()
        rehearsal = Rehearsal(tmp_path / str(number), 1, "stuck=1")
        assert rehearsal.run(**limit).timed_out == 1
        assert len(rehearsal.polls()) <= 6


@pytest.mark.parametrize("arriving", [0, 1, 2])
def test_30_callbacks_or_polls_tell_of_the_end_and_both_tell_it_once(tmp_path: Path, arriving: int) -> None:
    rehearsal = Rehearsal(tmp_path, 12, "duration=uniform:1,40")
    rehearsal.deliver = lambda path, body: [(path, body)] * arriving
    assert rehearsal.run(**CALLED_BACK).exit_code == 0
    assert sorted(rehearsal.outputs()) == list(range(12))
    assert len(rehearsal.posts()) == 12


def test_31_success_depends_on_the_status_and_never_on_http_200(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.answer = answers(200, '{"run_id": "run123", "outputs": {"result": "success"}}', "GET")
    summary = rehearsal.run(max_polls=3)
    assert (summary.completed, summary.timed_out) == (0, 1)


def test_32_network_errors_are_tried_again(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    broken = iter([True, True])

    def answer(_: Request) -> None:
        if next(broken, False):
            raise TransportError("Cannot connect", sent=False)

    rehearsal.answer = answer
    assert rehearsal.run().completed == 3
    assert {row["attempts"] for row in rehearsal.outputs().values()} == {1}


def test_33_the_time_of_a_request_is_configurable(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 1)
    rehearsal.run(request_timeout=7)
    assert {request.timeout for _, request in rehearsal.requests} == {7.0}
    (tmp_path / "sync").mkdir()
    rehearsal = Rehearsal(tmp_path / "sync", 1)
    rehearsal.run(mode="sync", run_timeout=900)
    assert {request.timeout for _, request in rehearsal.requests} == {900.0}, "a synchronous run has its whole time"


# -- the rest


def test_34_names_and_types_are_validated_before_the_call(tmp_path: Path) -> None:
    rehearsal = Rehearsal(tmp_path, 3)
    schema = {"properties": {"id": {"type": "integer"}}, "required": ["id"], "additionalProperties": False}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    with pytest.raises(InputError, match="'0' is not of type 'integer'"):
        rehearsal.run(schema=tmp_path / "s.json")
    with pytest.raises(InputError, match="the input 'other' is sent, and the schema allows no such name"):
        rehearsal.run(schema=tmp_path / "s.json", param={"other": "id"})
    assert rehearsal.requests == []
    assert rehearsal.run(schema=tmp_path / "s.json", type={"id": "int"}).completed == 3


def test_35_the_token_is_kept_secret(job: Documented) -> None:
    files = [path for path in (job.folder / "job").rglob("*") if path.is_file()]
    assert len(files) >= 5
    for path in files:
        assert SECRET.encode() not in path.read_bytes(), path


def test_36_times_are_iso_8601(job: Documented) -> None:
    assert iso_ms("2025-10-28T15:58:40Z") == 1_761_667_120_000
    assert outputs(job)[0]["created_at"].timestamp() * 1000 == 1_761_667_120_000


def test_every_point_has_its_test() -> None:
    tested = {int(found[1]) for name in globals() if (found := re.match(r"test_(\d\d)_", name))}
    assert tested == set(range(1, POINTS + 1))
