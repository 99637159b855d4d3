"""`batchrun history`: one run, asked by hand."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.answering import Asked, Said, answering
from tests.support.command import SECRET, batchrun, environment, rows_file, simulator

TOLD = b'{"run_id": "r", "status":"completed",\n "outputs": {"n": 1.10, "big": 123456789012345678901234567890}} '


def test_a_run_is_told_as_the_service_tells_it(tmp_path: Path) -> None:
    rows_file(tmp_path, 1)
    with simulator(tmp_path, "--duration", "0.1") as service:
        where = ("--base-url", service.base_url)
        options = ("--poll-initial", "0.2", "-o", "job", *where)
        assert batchrun("run", "rows.csv", "--workflow-id", "echo", *options, cwd=tmp_path).returncode == 0
        (run_id,) = pq.read_table(tmp_path / "job" / "outputs.parquet")["run_id"].to_pylist()
        done = batchrun("history", run_id, *where, cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        assert (told["run_id"], told["status"], told["inputs"]["id"]) == (run_id, "completed", "0")
        other = batchrun("history", run_id, "--status", "failed", *where, cwd=tmp_path)
        assert (other.returncode, other.stdout) == (4, "")
        assert "HTTP 404 NOT_FOUND: no such run" in other.stderr


def test_the_documented_query_is_sent_and_the_answer_is_printed_to_the_letter(tmp_path: Path) -> None:
    with answering(lambda _: Said(200, TOLD)) as server:
        query = ("--workflow-id", "w 1", "--status", "completed", "--limit", "5", "--offset", "0")
        done = batchrun("history", "a/b?c", *query, "--base-url", f"{server.url}/prefix/", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stdout.encode() == TOLD + b"\n"
        plain = batchrun("history", "运行", cwd=tmp_path, env=environment(COZE_API_BASE=server.url))
        assert plain.returncode == 0, plain.stderr
    first, second = server.asked
    assert first.path == "/prefix/v1/workflow/history/a%2Fb%3Fc?workflow_id=w+1&status=completed&limit=5&offset=0"
    assert (first.method, first.headers["authorization"], first.body) == ("GET", f"Bearer {SECRET}", b"")
    assert second.path == "/v1/workflow/history/%E8%BF%90%E8%A1%8C"


@pytest.mark.parametrize(
    ("said", "code", "told"),
    [
        (Said(404, b'{"error": {"code": "NOT_FOUND", "message": "no such run"}}'), 4, "HTTP 404 NOT_FOUND: no such"),
        (Said(401, b""), 4, "HTTP 401"),
        (Said(403, b"forbidden"), 4, "forbidden"),
        (Said(500, b'{"error": {"code": "INTERNAL", "message": "oh"}}'), 4, "INTERNAL: oh"),
        (Said(200, b'{"error": {"code": "BAD", "message": "words"}}'), 4, "BAD: words"),
        (Said(200, b"<html>It works!</html>"), 75, "It works!"),
        (Said(200, b'{"status": "completed", "outputs": {'), 75, "as the API documents"),
        (Said(200, b"null"), 75, "null"),
        (Said(200, b""), 75, "an empty body"),
        (Said(502, b"Bad Gateway"), 75, "HTTP 502: Bad Gateway"),
        (Said(302, b"", {"Location": "http://127.0.0.1:1/"}), 75, "HTTP 302"),
        (Said(200, b'[{"status": "completed"}]'), 0, ""),
        (Said(200, b"{}\n"), 0, ""),
    ],
)  # fmt: skip
def test_every_other_answer_has_its_exit_code_and_the_services_words(
    tmp_path: Path, said: Said, code: int, told: str
) -> None:
    with answering(lambda _: said) as server:
        done = batchrun("history", "r", "--base-url", server.url, cwd=tmp_path)
    assert done.returncode == code
    assert told in done.stderr
    assert len(server.asked) == 1
    assert "Traceback" not in done.stderr
    assert done.stdout.encode().strip() == (b"" if code else said.body.strip())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
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
def test_mistakes_are_told_before_anything_is_sent(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    done = batchrun("history", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_a_service_that_is_not_there_is_unreachable(tmp_path: Path) -> None:
    done = batchrun("history", "r", "--base-url", "http://127.0.0.1:1", cwd=tmp_path)
    assert done.returncode == 75
    assert "127.0.0.1:1" in done.stderr


def test_a_refused_token_is_read_again_once(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("old-token-of-yesterday\n")

    def answer(asked: Asked) -> Said:
        if asked.headers["authorization"] == "Bearer new-token-of-today":
            return Said(200, TOLD)
        (tmp_path / "token").write_text("new-token-of-today\n")
        return Said(401, b"you sent old-token-of-yesterday")

    with answering(answer) as server:
        done = batchrun("history", "r", "--base-url", server.url, "--token-file", "token", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(server.asked) == 2
