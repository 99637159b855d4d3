"""Callbacks of the simulated service: when, to whom, with what."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from batchrun.simulator.callbacks import Call, forged, may_be_called
from batchrun.simulator.options import parse_options
from batchrun.simulator.replies import Reply
from batchrun.simulator.server import serve
from batchrun.simulator.service import Simulator
from batchrun.simulator.store import Store
from tests.simulator.simulated import JSON, FakeClock, Service, content, refusal

URL = "http://127.0.0.1:9/hooks/0.1.abc"


def post(service: Service, url: str = URL, asynchronous: bool = True, **inputs: object) -> Reply:
    body = {"workflow_id": "echo", "inputs": inputs, "async": asynchronous, "callback_url": url}
    return service.send(msgspec.json.encode(body))


def told(service: Service, call: Call) -> dict[str, Any]:
    return msgspec.json.decode(service.simulator.body_of(call), type=dict[str, Any])


def test_a_run_is_called_back_when_it_has_ended() -> None:
    service = Service("duration=10", "callback_delay=0.5")
    reply = post(service, a=1)
    (call,) = reply.calls
    assert (call.url, call.delay, call.first) == (URL, 10.5, False)
    service.clock.advance(10.5)
    assert told(service, call) == service.run(content(reply)["run_id"])
    assert told(service, call)["status"] == "completed"


def test_nobody_is_called_who_did_not_ask_for_it() -> None:
    service = Service("duration=0")
    assert service.post().calls == ()
    assert post(service, asynchronous=False).calls == ()


@pytest.mark.parametrize(
    ("option", "delays"),
    [
        ("callback_never=1", []),
        ("stuck=1", []),
        ("callback_double=1", [10.1, 10.1]),
        ("callback_late=1", [70.1]),
        ("callback_early=1", [0.0, 10.1]),
        ("callback_forged=1", [10.1, 10.1]),
        ("lost=1", [10.1]),
        ("garbage=1", [10.1]),
    ],
)
def test_what_can_go_wrong_with_it(option: str, delays: list[float]) -> None:
    calls = post(Service("duration=10", option)).calls
    assert [call.delay for call in calls] == pytest.approx(delays)
    assert [call.url != URL for call in calls].count(True) == ("forged" in option)


def test_an_early_one_comes_before_the_answer_and_tells_that_it_is_pending() -> None:
    service = Service("duration=10", "fault=callback_early:a=1")
    early, late = post(service, a=1).calls
    assert (early.first, late.first) == (True, False)
    assert told(service, early)["status"] == "pending"
    assert len(post(service, a=2).calls) == 1


def test_garbage_is_no_json() -> None:
    service = Service("duration=10", "callback_garbage=1")
    (call,) = post(service).calls
    assert service.simulator.body_of(call).startswith(b"<!DOCTYPE")


def test_a_forged_address_is_another() -> None:
    assert forged(URL) == "http://127.0.0.1:9/hooks/0.1.cba"
    assert forged("http://127.0.0.1/0.1.aa") == "http://127.0.0.1/0.1.aax"


@pytest.mark.parametrize(
    "url",
    ["https://jobs.example.com/x", "http://10.0.0.1/x", "http://127.0.0.1.example.com/", "http://localhost.example/",
     "http://user@example.com/", "ftp://127.0.0.1/", "127.0.0.1:80", "http://", "http://[::1", "http://127.0.0.1:99999/",
     "http://0.0.0.0:80/", "http://169.254.169.254/"],
)  # fmt: skip
def test_nobody_else_s_machine_is_ever_called(url: str) -> None:
    assert not may_be_called(url)
    service = Service("duration=0")
    reply = post(service, url)
    assert refusal(reply) == (400, "BAD_REQUEST")
    assert "nobody but this machine" in content(reply)["error"]["message"]
    assert service.simulator.stats()["runs"] == 0


@pytest.mark.parametrize(
    "url",
    [
        URL,
        "http://localhost:8080/x",
        "http://[::1]:8080/",
        "http://127.9.9.9/",
        "http://LOCALHOST",
        "http://localhost.",
    ],
)
def test_this_machine_may_be_called(url: str) -> None:
    assert may_be_called(url)
    assert post(Service(), url).status == 200


def test_what_an_earlier_process_owes_is_called_by_the_next(tmp_path: Path) -> None:
    before = Service("duration=10", path=tmp_path / "s.db")
    post(before, a=1)
    before.clock.advance(5)
    post(before, a=2)
    before.post({"a": 3})
    before.store.close()
    before.clock.advance(7)
    after = Service("duration=10", "callback_early=1", path=tmp_path / "s.db", clock=before.clock)
    (call,) = after.simulator.calls_left()
    assert call.delay == pytest.approx(3.1)
    assert told(after, call)["inputs"] == {"a": 2}


@asynccontextmanager
async def listening(seen: list[tuple[str, bytes]], status: int = 200) -> AsyncIterator[str]:
    async def take(request: web.BaseRequest) -> web.Response:
        seen.append((request.path, await request.read()))
        return web.Response(status=status)

    server = await asyncio.get_running_loop().create_server(web.Server(take, access_log=None), "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.parametrize(("status", "counted"), [(200, "callbacks"), (404, "callbacks_refused")])
def test_the_server_sends_them(status: int, counted: str) -> None:
    class Bell(Simulator):
        def called_back(self, status: int | None) -> None:
            super().called_back(status)
            if self.stats()[counted] == 2:
                rung.set()

    options = parse_options(["duration=0", "callback_delay=0", "callback_early=1"])
    rung, seen, simulator = asyncio.Event(), list[tuple[str, bytes]](), Bell(FakeClock(), Store(), options)

    async def main() -> None:
        async with (
            listening(seen, status) as receiver,
            serve(simulator) as base_url,
            aiohttp.ClientSession() as session,
        ):
            body = {"workflow_id": "echo", "async": True, "callback_url": f"{receiver}/hooks/0.1.abc"}
            async with session.post(f"{base_url}/v1/workflow/run", json=body, headers=JSON) as answer:
                run_id = (await answer.json())["run_id"]
            assert len(seen) >= 1, "the early one came before the answer"
            async with asyncio.timeout(10):
                await rung.wait()
        assert [path for path, _ in seen] == ["/hooks/0.1.abc"] * 2
        assert all(msgspec.json.decode(body)["run_id"] == run_id for _, body in seen)

    asyncio.run(main())


def test_a_receiver_that_is_not_there_harms_nobody() -> None:
    service = Service("duration=0", "callback_early=1", "callback_delay=3600")

    async def main() -> None:
        async with serve(service.simulator) as base_url, aiohttp.ClientSession() as session:
            body = {"workflow_id": "echo", "async": True, "callback_url": "http://127.0.0.1:1/"}
            async with session.post(f"{base_url}/v1/workflow/run", json=body, headers=JSON) as answer:
                assert answer.status == 200

    asyncio.run(main())
    assert service.simulator.stats()["callbacks_refused"] == 1
