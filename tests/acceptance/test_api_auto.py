"""`--api auto`: the dialect is found out by one request that starts nothing, and pinned."""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.support import command

WORKFLOW = {
    "code": 0,
    "msg": "",
    "data": {
        "workflow_detail": {"workflow_id": "7412", "workflow_name": "greeter"},
        "input": {"parameters": {"text": {"type": "string", "required": True}}},
    },
}


def batchrun(*arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return command.batchrun(*arguments, cwd=cwd, env=command.environment(BATCHRUN_API="auto"))


class Service:
    """A service on loopback: what it answers by method and path, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.probe: tuple[int, object] = (200, WORKFLOW)
        self.runs: dict[str, Any] = {}

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        self.asked.append((method, path))
        if path.startswith("/v1/workflows/") and "run_histories" not in path:
            return self.probe
        if method == "POST":
            run = str(7_000_000_000_000_000_000 + len(self.runs))
            self.runs[run] = json.loads(body).get("parameters", {})
            return 200, {"code": 0, "msg": "", "execute_id": run, "debug_url": f"https://example.test/{run}"}
        run = path.rpartition("/")[2]
        output = json.dumps({"Output": json.dumps({"echo": self.runs[run]["text"], "id": 12345678901234567890123})})
        usage = {"input_count": 3, "output_count": 4, "token_count": 7}
        record = {"execute_id": run, "execute_status": "Success", "output": output, "usage": usage}
        return 200, {
            "code": 0,
            "msg": "",
            "data": [record | {"create_time": 1_760_000_000, "update_time": 1_760_000_001}],
        }

    @property
    def posts(self) -> int:
        return sum(method == "POST" for method, _ in self.asked)


@contextmanager
def serving(service: Service) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, answer = service.answer(self.command, self.path, body)
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _reply  # noqa: N815 - the names that http.server asks for

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def rows(tmp_path: Path, text: str = "text\na\nb\nc\n") -> Path:
    path = tmp_path / "rows.csv"
    path.write_text(text)
    return path


def test_a_live_service_needs_no_option_but_token_and_workflow(tmp_path: Path) -> None:
    service = Service()
    with serving(service) as url:
        ended = batchrun("run", rows(tmp_path), "--workflow-id", " 7412 ", "--base-url", url, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
        assert "--api open" in ended.stderr
        assert service.asked[0] == ("GET", "/v1/workflows/7412?include_input_output=true")
        again = batchrun("run", "rows.csv", "--workflow-id", "7412", "--base-url", url, cwd=tmp_path)
        assert again.returncode == 0
        assert service.posts == 3
        other = batchrun("run", "rows.csv", "--workflow-id", "7412", "--base-url", url, "--api", "v1", cwd=tmp_path)
        assert other.returncode == 2
        assert "--api was 'open', now it is 'v1'" in other.stderr
    table = pq.read_table(tmp_path / "rows-run" / "outputs.parquet").to_pylist()
    assert [json.loads(row["output"])["echo"] for row in table] == ["a", "b", "c"]
    assert '"id": 12345678901234567890123' in table[0]["output"]


def test_a_service_without_that_request_speaks_the_documented_api(tmp_path: Path) -> None:
    service = Service()
    service.probe = (404, {"error": {"code": "NOT_FOUND", "message": "no such path"}})
    with serving(service) as url:
        ended = batchrun("run", rows(tmp_path), "--workflow-id", "7412", "--base-url", url, cwd=tmp_path)
    assert "--api v1" in ended.stderr
    assert ended.returncode == 4  # what it answers to the POST is not the documented API
    assert service.posts == 1


def test_what_settles_nothing_is_waited_out_and_nothing_is_pinned(tmp_path: Path) -> None:
    service = Service()
    service.probe = (502, {"message": "bad gateway"})
    with serving(service) as url:
        words = ("run", rows(tmp_path), "--workflow-id", "7412", "--base-url", url, "--max-outage", "1s")
        ended = batchrun(*words, cwd=tmp_path)
        assert ended.returncode == 75, ended.stderr
        assert "HTTP 502" in ended.stderr
        service.probe = (200, WORKFLOW)
        assert batchrun(*words, cwd=tmp_path).returncode == 0
    assert service.posts == 3


def test_a_refused_token_or_workflow_costs_nothing(tmp_path: Path) -> None:
    for code, words in ((4100, "refused the token"), (4200, "refused the workflow")):
        service = Service()
        service.probe = (200, {"code": code, "msg": "no", "detail": {"logid": "l"}})
        with serving(service) as url:
            out = ("-o", str(code))
            ended = batchrun("run", rows(tmp_path), "--workflow-id", "7412", "--base-url", url, *out, cwd=tmp_path)
        assert ended.returncode == 4, ended.stderr
        assert words in ended.stderr
        assert str(code) in ended.stderr
        assert service.posts == 0


def test_a_misspelt_input_costs_nothing_and_pins_nothing(tmp_path: Path) -> None:
    service = Service()
    with serving(service) as url:
        words = ("run", rows(tmp_path, "txt\na\nb\n"), "--workflow-id", "7412", "--base-url", url)
        ended = batchrun(*words, cwd=tmp_path)
        assert ended.returncode == 2, ended.stderr
        assert "did you mean 'text'? Use --param text=txt" in ended.stderr
        assert service.posts == 0
        mended = batchrun(*words, "--param", "text=txt", cwd=tmp_path)
        assert mended.returncode == 0, mended.stderr
    assert service.posts == 2


def test_the_address_of_a_page_is_taken_for_its_workflow(tmp_path: Path) -> None:
    service = Service()
    with serving(service) as url:
        page = "https://www.coze.cn/work_flow?space_id=1&workflow_id=7412"
        ended = batchrun("run", rows(tmp_path), "--workflow-id", page, "--base-url", url, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert service.asked[0][1].startswith("/v1/workflows/7412?")
