"""Whole jobs of the installed command in a dialect that is not part of batchrun, against a stub of its service."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.contract.dify import RUN
from tests.contract.registered_dialect import batchrun_with
from tests.support.command import rows_file
from tests.support.stub_server import ReceivedRequest, StubResponse, StubServer, stub_server

KEY = "app-0123456789abcdef"


def job(folder: Path, server: StubServer, *options: object) -> CompletedProcess[str]:
    arguments = ("run", "rows.csv", "--workflow-id", "w", "--api", "dify", "--base-url", server.url, "-o", "job")
    return batchrun_with("tests.contract.dify:Dify", *arguments, *options, cwd=folder, DIFY_API_KEY=KEY)


SYNC = ("--mode", "sync", "--poll-initial", "0.1")


def run_data(row: str, status: str, **more: object) -> dict[str, object]:
    """The state of a run in answers."""
    outputs = {"doubled": int(row) * 2} if "succeeded" in status else None
    return {
        "id": f"run-{row}",
        "workflow_id": "w",
        "status": status,
        "outputs": outputs,
        "error": None,
        "elapsed_time": 1.5,
        "total_tokens": 12,
        "total_steps": 3,
        "created_at": 1_760_000_000,
        "finished_at": 1_760_000_002,
        **more,
    }


def ended(row: str, status: str, **more: object) -> StubResponse:
    answer = {"workflow_run_id": f"run-{row}", "task_id": f"task-{row}", "data": run_data(row, status, **more)}
    return StubResponse(200, json.dumps(answer).encode())


def refused(status: int, code: str, message: str) -> StubResponse:
    return StubResponse(status, json.dumps({"code": code, "message": message, "status": status}).encode())


class Dify:
    """The service. `answers`: by row, the answers to its POSTs, one after the other; the last one is repeated."""

    def __init__(self, **answers: Sequence[StubResponse]) -> None:
        self.answers = answers
        self.posts = Counter[str]()

    def __call__(self, request: ReceivedRequest) -> StubResponse:
        if request.method == "GET":
            return StubResponse(200, json.dumps(run_data(request.path.rpartition("-")[2], "succeeded")).encode())
        row = json.loads(request.body)["inputs"]["id"]
        self.posts[row] += 1
        answers = self.answers.get(f"row{row}", [ended(row, "succeeded")])
        return answers[min(self.posts[row], len(answers)) - 1]


def table(folder: Path, name: str) -> dict[int, dict[str, Any]]:
    return {row["row"]: row for row in pq.read_table(folder / "job" / f"{name}.parquet").to_pylist()}


def test_completed_failed_and_throttled_rows(tmp_path: Path) -> None:
    rows_file(tmp_path, 6)
    service = Dify(
        row1=[ended("1", "failed", error="a node failed")],
        row2=[refused(429, "too_many_requests", "Too many requests"), ended("2", "succeeded")],
        row3=[ended("3", "partial-succeeded")],
        row4=[ended("4", "running")],
        row5=[refused(400, "invalid_param", "id is wrong")],
    )
    with stub_server(service) as server:
        done = job(tmp_path, server, *SYNC, "--json")
        assert done.returncode == 3, done.stderr
        posts = [request for request in server.requests if request.method == "POST"]
        assert {(post.path, post.headers["authorization"]) for post in posts} == {(RUN, f"Bearer {KEY}")}
        assert json.loads(posts[0].body) == {
            "inputs": {"id": "0", "text": "row 0"},
            "response_mode": "blocking",
            "user": "batchrun",
        }
        assert {request.path for request in server.requests if request.method == "GET"} == {f"{RUN}/run-4"}
    assert service.posts == {"0": 1, "1": 1, "2": 2, "3": 1, "4": 1, "5": 1}
    outputs, errors = table(tmp_path, "outputs"), table(tmp_path, "errors")
    assert {row: (found["run_id"], found["output"]) for row, found in outputs.items()} == {
        row: (f"run-{row}", f'{{"doubled": {row * 2}}}') for row in (0, 2, 3, 4)
    }
    assert {row: (found["error_kind"], found["error_message"]) for row, found in errors.items()} == {
        1: ("run_failed", "a node failed"),
        5: ("rejected", "id is wrong"),
    }
    assert outputs[2]["attempts"] == 1, "throttling costs no attempt"
    assert json.loads(done.stdout)["throttled"] == 1
    assert (outputs[0]["updated_at"] - outputs[0]["created_at"]).total_seconds() == 2
    assert KEY not in done.stdout + done.stderr


def test_a_used_up_quota_stops_the_job_which_goes_on_later(tmp_path: Path) -> None:
    rows_file(tmp_path, 4)
    service = Dify(row2=[refused(429, "rate_limit_error", "quota exceeded"), ended("2", "succeeded")])
    with stub_server(service) as server:
        done = job(tmp_path, server, *SYNC, "--max-in-flight", 1)
        assert done.returncode == 4
        assert "rate_limit_error: quota exceeded" in done.stderr
        assert set(table(tmp_path, "outputs")) == {0, 1}
        again = job(tmp_path, server, *SYNC)
        assert again.returncode == 0, again.stderr
    assert service.posts == {"0": 1, "1": 1, "2": 2, "3": 1}


@pytest.mark.parametrize(("status", "kind"), [("stopped", "run_failed"), ("paused", "interrupted")])
def test_other_ends_of_a_run(status: str, kind: str, tmp_path: Path) -> None:
    rows_file(tmp_path, 2)
    with stub_server(Dify(row1=[ended("1", status)])) as server:
        assert job(tmp_path, server, *SYNC).returncode == 3
    assert [row["error_kind"] for row in table(tmp_path, "errors").values()] == [kind]


def test_a_service_without_asynchronous_runs_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    rows_file(tmp_path, 1)
    with stub_server(Dify()) as server:
        done = job(tmp_path, server)
        assert done.returncode == 2
        assert "--mode async: --api dify answers only when a run has ended; use --mode sync" in done.stderr
        assert server.requests == []
    assert not (tmp_path / "job").exists()
