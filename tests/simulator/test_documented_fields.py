"""A plain client drives the simulator through every field that the documentation names, over HTTP."""

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
ISO = "2025-10-28T15:58:40Z"


@contextmanager
def listening(*options: str) -> Iterator[tuple[Service, str]]:
    """The simulator on a socket, in a thread of its own; it and its address."""
    started, made = threading.Event(), list[tuple[Service, str]]()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def main() -> None:
        service = Service(*options)  # here, because its database is this thread's
        async with serve(service.simulator) as url:
            made.append((service, url))
            started.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),))
    thread.start()
    assert started.wait(20)
    try:
        yield made[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(20)
        loop.close()


def ask(
    url: str, body: object = None, headers: Mapping[str, str] = BEARER, raw: bytes | None = None
) -> tuple[int, dict[str, Any]]:
    """Status and JSON of one request; a POST if there is a body."""
    data = raw if raw is not None else None if body is None else json.dumps(body).encode()
    kind = {"Content-Type": "application/json"} if data is not None else {}
    request = urllib.request.Request(url, data, {**kind, **headers})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def is_time(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None and text.endswith("Z") and len(text) == len(ISO)


def test_an_asynchronous_run_from_its_submission_to_its_end() -> None:
    with listening("duration=100", "pending=0.5") as (service, base):
        run, history = f"{base}/v1/workflow/run", f"{base}/v1/workflow/history"
        sent = {"workflow_id": "echo", "inputs": INPUTS, "async": True, "callback_url": "http://127.0.0.1:9/callback"}
        status, accepted = ask(run, sent)
        assert status == 200
        assert accepted == {"run_id": accepted["run_id"], "status": "pending", "created_at": ISO}
        assert isinstance(accepted["run_id"], str)
        own = f"{history}/{accepted['run_id']}"

        for seconds, word in ((0, "pending"), (60, "running"), (60, "completed")):
            service.clock.advance(seconds)
            status, told = ask(own)
            assert (status, told["status"]) == (200, word)
            assert (told["run_id"], told["workflow_id"], told["inputs"]) == (accepted["run_id"], "echo", INPUTS)
            assert (told["created_at"], is_time(told["updated_at"])) == (ISO, True)
            assert ("outputs" in told) == (word == "completed")
            assert "error" not in told
        assert told["outputs"] == {"echo": INPUTS}
        assert told["updated_at"] == "2025-10-28T16:00:20Z", "when it ended"

        query = "?workflow_id=echo&status=completed&limit=5&offset=0"
        assert ask(own + query) == (200, told)
        for other in ("?status=failed", "?workflow_id=other"):
            assert ask(own + other)[0] == 404
        for wrong in ("?limit=many", "?offset=-1"):
            assert ask(own + wrong)[0] == 400


def test_a_run_that_fails() -> None:
    with listening("duration=5", "fail=1") as (service, base):
        _, accepted = ask(f"{base}/v1/workflow/run", {"workflow_id": "echo", "inputs": INPUTS, "async": True})
        service.clock.advance(5)
        status, told = ask(f"{base}/v1/workflow/history/{accepted['run_id']}")
    assert (status, told["status"]) == (200, "failed")
    assert told["error"]["code"] == "WORKFLOW_EXECUTION_ERROR"
    assert told["error"]["message"]
    assert "outputs" not in told


@pytest.mark.parametrize("mode", [{"async": False}, {}])
def test_a_synchronous_run_and_one_by_default(mode: dict[str, bool]) -> None:
    with listening("duration=0.01") as (_, base):
        status, told = ask(f"{base}/v1/workflow/run", {"workflow_id": "echo", "inputs": INPUTS, **mode})
    assert status == 200
    assert set(told) == {"run_id", "status", "output", "created_at", "updated_at"}
    assert (told["status"], told["output"]) == ("completed", {"echo": INPUTS})
    assert is_time(told["created_at"])
    assert is_time(told["updated_at"])


def test_a_synchronous_run_that_fails() -> None:
    with listening("duration=0", "fail=1") as (_, base):
        status, told = ask(f"{base}/v1/workflow/run", {"workflow_id": "echo", "inputs": INPUTS, "async": False})
    assert (status, told["status"]) == (200, "failed")
    assert set(told) == {"run_id", "status", "error", "created_at", "updated_at"}
    assert set(told["error"]) == {"code", "message"}


def test_inputs_are_optional() -> None:
    with listening("duration=0") as (_, base):
        assert ask(f"{base}/v1/workflow/run", {"workflow_id": "echo"})[1]["output"] == {"echo": {}}


def test_every_documented_error_has_the_documented_envelope() -> None:
    with listening("fault=error:id=1", "fault=poll_error:id=2") as (_, base):
        run, history = f"{base}/v1/workflow/run", f"{base}/v1/workflow/history"
        _, second = ask(run, {"workflow_id": "echo", "inputs": {"id": 2}, "async": True})
        good: dict[str, object] = {"workflow_id": "echo", "inputs": {}, "async": True}
        wrong: list[dict[str, object]] = [
            {**good, "workflow_id": 1}, {**good, "workflow_id": ""}, {"inputs": {}}, {**good, "inputs": []},
            {**good, "async": "yes"}, {**good, "callback_url": 7},
        ]  # fmt: skip
        refused = [
            *((400, ask(run, body)) for body in wrong),
            (400, ask(run, raw=b"{")),
            (400, ask(run, good, {**BEARER, "Content-Type": "text/plain"})),
            (401, ask(run, good, {})),
            (401, ask(run, good, {"Authorization": "Basic x"})),
            (401, ask(run, good, {"Authorization": "Bearer expired-token"})),
            (404, ask(run, {**good, "workflow_id": "nobody-has-it"})),
            (500, ask(run, {**good, "inputs": {"id": 1}})),
            (401, ask(f"{history}/{second['run_id']}", headers={})),
            (404, ask(f"{history}/nobody-knows-it")),
            (500, ask(f"{history}/{second['run_id']}")),
        ]
    for expected, (status, told) in refused:
        assert status == expected, told
        assert set(told) == {"error"}
        assert set(told["error"]) == {"code", "message"}
        assert all(isinstance(text, str) and text for text in told["error"].values())
