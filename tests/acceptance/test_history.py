"""`batchrun history`: one run, asked by hand."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.command import SECRET, batchrun, environment, rows_file, simulator
from tests.support.stub_server import ReceivedRequest, StubResponse, stub_server

TOLD = b'{"run_id": "r", "status":"completed",\n "outputs": {"n": 1.10, "big": 123456789012345678901234567890}} '


def test_a_run_is_printed_as_the_service_describes_it(tmp_path: Path) -> None:
    rows_file(tmp_path, 1)
    with simulator(tmp_path, "--duration", "0.1") as service:
        where = ("--base-url", service.base_url)
        options = ("--poll-initial", "0.2", "-o", "job", *where)
        assert batchrun("run", "rows.csv", "--workflow-id", "echo", *options, cwd=tmp_path).returncode == 0
        (run_id,) = pq.read_table(tmp_path / "job" / "outputs.parquet")["run_id"].to_pylist()
        done = batchrun("history", run_id, *where, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        answer = json.loads(done.stdout)
        assert (answer["run_id"], answer["status"], answer["inputs"]["id"]) == (run_id, "completed", "0")
        other = batchrun("history", run_id, "--status", "failed", *where, cwd=tmp_path)
        assert (other.returncode, other.stdout) == (4, "")
        assert "HTTP 404 NOT_FOUND: no such run" in other.stderr


def test_the_documented_query_is_sent_and_the_answer_is_printed_to_the_letter(tmp_path: Path) -> None:
    with stub_server(lambda _: StubResponse(200, TOLD)) as server:
        query = ("--workflow-id", "w 1", "--status", "completed", "--limit", "5", "--offset", "0")
        done = batchrun("history", "a/b?c", *query, "--base-url", f"{server.url}/prefix/", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.encode() == TOLD + b"\n"
        plain = batchrun("history", "运行", cwd=tmp_path, env=environment(COZE_API_BASE=server.url))
        assert plain.returncode == 0, plain.stderr
    first, second = server.requests
    assert first.path == "/prefix/v1/workflow/history/a%2Fb%3Fc?workflow_id=w+1&status=completed&limit=5&offset=0"
    assert (first.method, first.headers["authorization"], first.body) == ("GET", f"Bearer {SECRET}", b"")
    assert second.path == "/v1/workflow/history/%E8%BF%90%E8%A1%8C"


@pytest.mark.parametrize(
    ("response", "code", "expected"),
    [
        (StubResponse(404, b'{"error": {"code": "NOT_FOUND", "message": "none"}}'), 4, "HTTP 404 NOT_FOUND: none"),
        (StubResponse(401, b""), 4, "HTTP 401"),
        (StubResponse(403, b"forbidden"), 4, "forbidden"),
        (StubResponse(500, b'{"error": {"code": "INTERNAL", "message": "oh"}}'), 4, "INTERNAL: oh"),
        (StubResponse(200, b'{"error": {"code": "BAD", "message": "words"}}'), 4, "BAD: words"),
        (StubResponse(200, b"<html>It works!</html>"), 75, "It works!"),
        (StubResponse(200, b'{"status": "completed", "outputs": {'), 75, "as the API documents"),
        (StubResponse(200, b"null"), 75, "null"),
        (StubResponse(200, b""), 75, "an empty body"),
        (StubResponse(502, b"Bad Gateway"), 75, "HTTP 502: Bad Gateway"),
        (StubResponse(302, b"", {"Location": "http://127.0.0.1:1/"}), 75, "HTTP 302"),
        (StubResponse(200, b'[{"status": "completed"}]'), 0, ""),
        (StubResponse(200, b"{}\n"), 0, ""),
    ],
)  # fmt: skip
def test_every_other_answer_has_its_exit_code_and_the_services_words(
    tmp_path: Path, response: StubResponse, code: int, expected: str
) -> None:
    with stub_server(lambda _: response) as server:
        done = batchrun("history", "r", "--base-url", server.url, cwd=tmp_path)
    assert done.returncode == code
    assert expected in done.stderr
    assert len(server.requests) == 1
    assert "Traceback" not in done.stderr
    assert done.stdout.encode().strip() == (b"" if code else response.body.strip())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("",), "RUN_ID"),
        (("..",), "RUN_ID"),
        (("r", "--limit", "0"), "--limit"),
        (("r", "--offset", "-1"), "--offset"),
        (("r", "--request-timeout", "soon"), "--request-timeout"),
        (("r", "--base-url", "coze.cn"), "--base-url"),
        (("r", "--api", "v9"), "--api"),
        (("r", "--token-file", "absent"), "absent"),
        (("r", "--simulate"), "--simulate"),
        ((), "RUN_ID"),
    ],
)  # fmt: skip
def test_mistakes_are_reported_before_anything_is_sent(
    tmp_path: Path, arguments: tuple[str, ...], expected: str
) -> None:
    done = batchrun("history", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr


def test_a_service_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    done = batchrun("history", "r", "--base-url", "http://127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == 75
    assert "127.0.0.1:1" in done.stderr


def test_a_refused_token_is_read_again_once(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old-token-of-yesterday\n")

    def answer(request: ReceivedRequest) -> StubResponse:
        if request.headers["authorization"] == "Bearer new-token-of-today":
            return StubResponse(200, TOLD)
        (tmp_path / "token").write_text("new-token-of-today\n")
        return StubResponse(401, b"you sent old-token-of-yesterday")

    with stub_server(answer) as server:
        done = batchrun("history", "r", "--base-url", server.url, "--token-file", "token", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(server.requests) == 2
