"""A proxy of the environment that refuses is named as the cause, and its password is written nowhere."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.support.command import SECRET, batchrun, environment, rows_file

JOB = ("--workflow-id", "w", "--base-url", "https://api.example.test", "--max-outage", "1s", "-o", "job", "-v")


@contextmanager
def refusing_proxy(status: int) -> Iterator[str]:
    """A proxy that refuses each tunnel with `status`, and repeats what it got; its host and port."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_CONNECT(self) -> None:
            self.send_response(status, f"No, {self.path} with {self.headers['Proxy-Authorization'] and 'a password'}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def assert_hidden(folder: Path, *texts: str) -> None:
    """No file, and no output, holds the user info of the proxy or the token."""
    files = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    for content in (*files, *(text.encode() for text in texts)):
        for secret in (b"alice", b"s3cretpw", SECRET.encode()):
            assert secret not in content


@pytest.mark.parametrize("api", ["v1", "auto"])
@pytest.mark.parametrize("status", [403, 407, 502])
def test_its_refusal_is_waited_out_as_an_outage_of_its_own(tmp_path: Path, status: int, api: str) -> None:
    rows_file(tmp_path, 1)
    with refusing_proxy(status) as place:
        env = environment(https_proxy=f"http://alice:s3cretpw@{place}", no_proxy="")
        done = batchrun("run", "rows.csv", *JOB, "--api", api, "--json", cwd=tmp_path, env=env)
        assert done.returncode == 75, done.stderr
        summary = json.loads(done.stdout)
        assert f"the proxy {place} refused: {status} No, api.example.test:443 with a password" in summary["reason"]
        assert summary["queued"] == 1
        assert summary["submissions"] == 0
        assert_hidden(tmp_path, done.stdout, done.stderr)
        asked = batchrun("history", "1", *JOB[2:4], cwd=tmp_path, env=env)
        assert asked.returncode == 75
        assert f"the proxy {place} refused: {status}" in asked.stderr
        assert_hidden(tmp_path, asked.stdout, asked.stderr)


@pytest.mark.parametrize(
    ("variable", "address"),
    [
        ("https_proxy", "http://alice:s3cretpw@127.0.0.1:99999"),
        ("ALL_PROXY", "socks5h://alice:s3cretpw@127.0.0.1:1080"),
        ("HTTPS_PROXY", "alice:s3cretpw@"),
    ],
)
def test_one_that_cannot_be_used_is_a_mistake_before_anything_is_made(
    tmp_path: Path, variable: str, address: str
) -> None:
    rows_file(tmp_path, 1)
    env = environment(**{variable: address}, no_proxy="")
    for command in (("run", "rows.csv", *JOB), ("check", "rows.csv", *JOB), ("history", "1", *JOB[2:4])):
        done = batchrun(*command, cwd=tmp_path, env=env)
        assert done.returncode == 2, done.stderr
        assert f"Error: {variable}: " in done.stderr
        assert_hidden(tmp_path, done.stdout, done.stderr)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
    simulated = batchrun("run", "rows.csv", *JOB, "--simulate", "--sim", "duration=0", cwd=tmp_path, env=env)
    assert simulated.returncode == 0, simulated.stderr
