"""A service on loopback that speaks `--api open`, written from the documentation of the cloud."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

WORKFLOW = {
    "code": 0,
    "msg": "",
    "data": {
        "workflow_detail": {"workflow_id": "7412", "workflow_name": "greeter"},
        "input": {"parameters": {"text": {"type": "string", "required": True}}},
    },
}


class Service:
    """A service on loopback: what it answers by method and path, and what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.probe: tuple[int, object] = (200, WORKFLOW)
        self.runs: dict[str, Any] = {}
        self.state = "Success"
        self.poll: tuple[int, object] | None = None

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        self.asked.append((method, path))
        if path.startswith("/v1/workflows/") and "run_histories" not in path:
            return self.probe
        if method == "POST":
            run = str(7_000_000_000_000_000_000 + len(self.runs))
            self.runs[run] = json.loads(body).get("parameters", {})
            return 200, {"code": 0, "msg": "", "execute_id": run, "debug_url": f"https://example.test/{run}"}
        if self.poll is not None:
            return self.poll
        run = path.rpartition("/")[2]
        output = json.dumps({"Output": json.dumps({"echo": self.runs[run]["text"], "id": 12345678901234567890123})})
        usage = {"input_count": 3, "output_count": 4, "token_count": 7}
        record = {"execute_id": run, "execute_status": self.state, "output": output, "usage": usage}
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
