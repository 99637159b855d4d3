"""The installed command is suspended (SIGSTOP) for longer than its request timeout, and loses no answer."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.support.command import BATCHRUN, TIMEOUT, environment, rows_file
from tests.support.stub_server import ReceivedRequest, StubResponse, stub_server

ROWS = 12
REQUEST_TIMEOUT = 1.0
WITH_ASYNCIO = "import sys; sys.modules['uvloop'] = None; from batchrun.cli.main import main; main()"


@pytest.mark.parametrize("command", [[BATCHRUN], [sys.executable, "-c", WITH_ASYNCIO]], ids=["uvloop", "asyncio"])
@pytest.mark.parametrize("held", ["POST", "GET"])
def test_what_arrives_while_the_process_is_suspended_is_not_lost(tmp_path: Path, command: list[str], held: str) -> None:
    """All answers of one kind but the first one are sent while the process is suspended."""
    count, lock, all_asked, suspended = 0, threading.Lock(), threading.Event(), threading.Event()

    def respond(request: ReceivedRequest) -> StubResponse:
        nonlocal count
        with lock:
            count += request.method == held
            number = count
        if request.method == held and number > 1:
            if number == ROWS:
                all_asked.set()
            suspended.wait(TIMEOUT)
        if request.method == "POST":
            row = json.loads(request.body)["inputs"]["id"]
            return StubResponse(200, json.dumps({"run_id": f"run-{row}", "status": "pending"}).encode())
        return StubResponse(200, json.dumps({"status": "completed", "outputs": "x" * 300_000}).encode())

    rows_file(tmp_path, ROWS)
    with stub_server(respond) as server:
        job = [
            "run", "rows.csv", "--workflow-id", "w", "-o", "job", "--base-url", server.url, "--rps", "100",
            "--request-timeout", f"{REQUEST_TIMEOUT}", "--poll-initial", "0.1", "--json", "--progress", "none",
        ]  # fmt: skip
        with subprocess.Popen(
            [*command, *job], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                assert all_asked.wait(TIMEOUT)
                process.send_signal(signal.SIGSTOP)
                suspended.set()
                time.sleep(2 * REQUEST_TIMEOUT)  # noqa: TID251 - the answers arrive, and the timeouts pass
                process.send_signal(signal.SIGCONT)
                output, _ = process.communicate(timeout=TIMEOUT)
            finally:
                process.kill()
    summary = json.loads(output)
    assert (process.returncode, summary["completed"], summary["submissions"], summary["polls"]) == (0, ROWS, ROWS, ROWS)
