"""A new dialect needs a class and one registry entry. Options, variables, headers and requests follow from them."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import pytest

from batchrun.dialects.base import ApiRequest, Inputs
from batchrun.dialects.v1 import V1
from tests.contract.registered_dialect import batchrun_with
from tests.support.command import rows_file
from tests.support.stub_server import ReceivedRequest, StubResponse, stub_server

KEY = "k-0123456789abcdef"


class Plain(V1):
    """Reads responses like `v1`, but sends other requests."""

    name = "plain"
    default_base_url = "https://plain.example"
    base_url_variable = "PLAIN_BASE"
    token_variable = "PLAIN_KEY"

    def headers(self, token: str) -> Mapping[str, str]:
        return {"X-Api-Key": token}

    def submit_request(
        self,
        workflow_id: str,
        inputs: Inputs,
        *,
        synchronous: bool = False,
        callback_url: str | None = None,
    ) -> ApiRequest:
        del synchronous, callback_url
        return ApiRequest("POST", f"/flows/{workflow_id}", msgspec.json.encode(inputs))

    def poll_request(self, workflow_id: str, run_id: str) -> ApiRequest:
        return ApiRequest("POST", f"/flows/{workflow_id}/look", msgspec.json.encode([run_id]))


def batchrun(*arguments: object, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, with the dialect registered."""
    return batchrun_with(f"tests.contract.{Path(__file__).stem}:Plain", *arguments, cwd=cwd, **variables)


def served(request: ReceivedRequest) -> StubResponse:
    """Each run is named after its row, and completed at the first poll."""
    if request.path == "/flows/w":
        return StubResponse(
            200, msgspec.json.encode({"run_id": msgspec.json.decode(request.body)["id"], "status": "pending"})
        )
    return StubResponse(200, b'{"status":"completed","outputs":{"done":true}}')


def test_a_whole_job_in_a_dialect_with_one_entry(tmp_path: Path) -> None:
    run = ("run", rows_file(tmp_path, 3), "--workflow-id", "w", "--api", "plain", "-o", "job", "--poll-initial", "0.1")
    with stub_server(served) as server:
        done = batchrun(*run, cwd=tmp_path, PLAIN_BASE=server.url, PLAIN_KEY=KEY, COZE_API_BASE="https://no.example")
        assert done.returncode == 0, done.stderr
        sent = {(request.method, request.path, request.headers["x-api-key"]) for request in server.requests}
        assert sent == {("POST", "/flows/w", KEY), ("POST", "/flows/w/look", KEY)}
        assert not any("authorization" in request.headers for request in server.requests)
        assert {request.headers["content-type"] for request in server.requests} == {"application/json"}
        count = len(server.requests)
        again = batchrun("resume", "job", cwd=tmp_path, PLAIN_KEY=KEY)
        assert (again.returncode, len(server.requests)) == (0, count), again.stderr
    assert 'api = "plain"' in (tmp_path / "job" / "job.toml").read_text()
    other = batchrun(*run[:4], "--api", "v1", "-o", "job", cwd=tmp_path)
    assert other.returncode == 2
    assert "was: --api plain; now: --api v1" in other.stderr


HELP = (
    "--api auto|v1|open|studio|plain",
    "[default: https://api.coze.cn (v1, open), http://localhost:8888 (studio), https://plain.example (plain)]",
    "[default: the variable COZE_API_TOKEN (v1, open, studio), PLAIN_KEY (plain)]",
)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("-h",), HELP),
        (
            ("rows.csv", "--workflow-id", "w", "--api", "v2"),
            ["--api: expected auto, v1, open, studio or plain (got 'v2')"],
        ),
        (("rows.csv", "--workflow-id", "w", "--api", "plain"), ["set the environment variable PLAIN_KEY"]),
    ],
)
def test_options_and_messages_know_the_dialect(tmp_path: Path, arguments: Sequence[str], told: Sequence[str]) -> None:
    rows_file(tmp_path, 1)
    done = batchrun("run", *arguments, cwd=tmp_path)
    words = " ".join((done.stdout + done.stderr).split())
    assert [text for text in told if text not in words] == []
