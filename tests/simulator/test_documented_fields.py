"""A plain HTTP client checks every documented field of the simulator's API."""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest

from batchrun.simulator.server import serve
from tests.simulator.simulated import Service

BEARER = {"Authorization": "Bearer YOUR_ACCESS_TOKEN"}
INPUTS = {"param1": "value1", "param2": "value2"}
CREATED_AT = "2025-10-28T15:58:40Z"


@contextmanager
def serving(*options: str) -> Iterator[tuple[Service, str]]:
    """Serve the simulator in a separate thread; yields it and its base URL."""
    started, results = threading.Event(), list[tuple[Service, str]]()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        service = Service(*options)  # SQLite connections belong to the thread that opens them
        async with serve(service.simulator) as url:
            results.append((service, url))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert started.wait(20)
    try:
        yield results[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


def request_json(
    url: str, body: object = None, headers: Mapping[str, str] = BEARER, raw: bytes | None = None
) -> tuple[int, dict[str, Any]]:
    """Send a request and return status and JSON; a POST if there is a body."""
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    content_type = {"Content-Type": "application/json"} if data is not None else {}
    request = urllib.request.Request(url, data, {**content_type, **headers})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def is_time(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None and text.endswith("Z") and len(text) == len(CREATED_AT)


def test_an_asynchronous_run_from_its_submission_to_its_end() -> None:
    with serving("duration=100", "pending=0.5") as (service, base):
        run, history = f"{base}/v1/workflow/run", f"{base}/v1/workflow/history"
        submission = {
            "workflow_id": "echo",
            "inputs": INPUTS,
            "async": True,
            "callback_url": "http://127.0.0.1:9/callback",
        }
        status, accepted = request_json(run, submission)
        assert status == 200
        assert accepted == {"run_id": accepted["run_id"], "status": "pending", "created_at": CREATED_AT}
        assert isinstance(accepted["run_id"], str)
        run_url = f"{history}/{accepted['run_id']}"

        for seconds, expected_status in ((0, "pending"), (60, "running"), (60, "completed")):
            service.clock.advance(seconds)
            status, answer = request_json(run_url)
            assert (status, answer["status"]) == (200, expected_status)
            assert (answer["run_id"], answer["workflow_id"], answer["inputs"]) == (accepted["run_id"], "echo", INPUTS)
            assert (answer["created_at"], is_time(answer["updated_at"])) == (CREATED_AT, True)
            assert ("outputs" in answer) == (expected_status == "completed")
            assert "error" not in answer
        assert answer["outputs"] == {"echo": INPUTS}
        assert answer["updated_at"] == "2025-10-28T16:00:20Z", "when it ended"

        query = "?workflow_id=echo&status=completed&limit=5&offset=0"
        assert request_json(run_url + query) == (200, answer)
        for other in ("?status=failed", "?workflow_id=other"):
            assert request_json(run_url + other)[0] == 404
        for wrong in ("?limit=many", "?offset=-1"):
            assert request_json(run_url + wrong)[0] == 400


def test_a_run_that_fails() -> None:
    with serving("duration=5", "fail=1") as (service, base):
        _, accepted = request_json(f"{base}/v1/workflow/run", {"workflow_id": "echo", "inputs": INPUTS, "async": True})
        service.clock.advance(5)
        status, answer = request_json(f"{base}/v1/workflow/history/{accepted['run_id']}")
    assert (status, answer["status"]) == (200, "failed")
    assert answer["error"]["code"] == "WORKFLOW_EXECUTION_ERROR"
    assert answer["error"]["message"]
    assert "outputs" not in answer


@pytest.mark.parametrize("mode", [{"async": False}, {}])
def test_a_synchronous_run_and_one_by_default(mode: dict[str, bool]) -> None:
    with serving("duration=0.01") as (_, base):
        status, answer = request_json(f"{base}/v1/workflow/run", {"workflow_id": "echo", "inputs": INPUTS, **mode})
    assert status == 200
    assert set(answer) == {"run_id", "status", "output", "created_at", "updated_at"}
    assert (answer["status"], answer["output"]) == ("completed", {"echo": INPUTS})
    assert is_time(answer["created_at"])
    assert is_time(answer["updated_at"])


def test_a_synchronous_run_that_fails() -> None:
    with serving("duration=0", "fail=1") as (_, base):
        status, answer = request_json(
            f"{base}/v1/workflow/run", {"workflow_id": "echo", "inputs": INPUTS, "async": False}
        )
    assert (status, answer["status"]) == (200, "failed")
    assert set(answer) == {"run_id", "status", "error", "created_at", "updated_at"}
    assert set(answer["error"]) == {"code", "message"}


def test_inputs_are_optional() -> None:
    with serving("duration=0") as (_, base):
        assert request_json(f"{base}/v1/workflow/run", {"workflow_id": "echo"})[1]["output"] == {"echo": {}}


def test_every_documented_error_has_the_documented_envelope() -> None:
    with serving("fault=error:id=1", "fault=poll_error:id=2") as (_, base):
        run, history = f"{base}/v1/workflow/run", f"{base}/v1/workflow/history"
        _, second = request_json(run, {"workflow_id": "echo", "inputs": {"id": 2}, "async": True})
        good: dict[str, object] = {"workflow_id": "echo", "inputs": {}, "async": True}
        wrong: list[dict[str, object]] = [
            {**good, "workflow_id": 1}, {**good, "workflow_id": ""}, {"inputs": {}}, {**good, "inputs": []},
            {**good, "async": "yes"}, {**good, "callback_url": 7},
        ]  # fmt: skip
        refused = [
            *((400, request_json(run, body)) for body in wrong),
            (400, request_json(run, raw=b"{")),
            (400, request_json(run, good, {**BEARER, "Content-Type": "text/plain"})),
            (401, request_json(run, good, {})),
            (401, request_json(run, good, {"Authorization": "Basic x"})),
            (401, request_json(run, good, {"Authorization": "Bearer expired-token"})),
            (404, request_json(run, {**good, "workflow_id": "nobody-has-it"})),
            (500, request_json(run, {**good, "inputs": {"id": 1}})),
            (401, request_json(f"{history}/{second['run_id']}", headers={})),
            (404, request_json(f"{history}/nobody-knows-it")),
            (500, request_json(f"{history}/{second['run_id']}")),
        ]
    for expected, (status, answer) in refused:
        assert status == expected, answer
        assert set(answer) == {"error"}
        assert set(answer["error"]) == {"code", "message"}
        assert all(isinstance(text, str) and text for text in answer["error"].values())
