"""Callbacks of the simulated service: their time, URL and body."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from batchrun.simulator.callbacks import PendingCallback, forge_url, is_allowed_callback_url
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


def callback_content(service: Service, callback: PendingCallback) -> dict[str, Any]:
    return msgspec.json.decode(service.simulator.callback_body(callback), type=dict[str, Any])


def test_a_run_is_called_back_when_it_has_ended() -> None:
    service = Service("duration=10", "callback_delay=0.5")
    reply = post(service, a=1)
    (callback,) = reply.callbacks
    assert (callback.url, callback.delay, callback.before_answer) == (URL, 10.5, False)
    service.clock.advance(10.5)
    assert callback_content(service, callback) == service.poll_ok(content(reply)["run_id"])
    assert callback_content(service, callback)["status"] == "completed"


def test_a_run_without_a_callback_url_has_no_callback() -> None:
    service = Service("duration=0")
    assert service.post().callbacks == ()
    assert post(service, asynchronous=False).callbacks == ()


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
def test_each_fault_changes_the_callbacks(option: str, delays: list[float]) -> None:
    callbacks = post(Service("duration=10", option)).callbacks
    assert [callback.delay for callback in callbacks] == pytest.approx(delays)
    assert [callback.url != URL for callback in callbacks].count(True) == ("forged" in option)


def test_an_early_callback_comes_before_the_answer_and_has_the_status_pending() -> None:
    service = Service("duration=10", "fault=callback_early:a=1")
    early, late = post(service, a=1).callbacks
    assert (early.before_answer, late.before_answer) == (True, False)
    assert callback_content(service, early)["status"] == "pending"
    assert len(post(service, a=2).callbacks) == 1


def test_garbage_is_not_json() -> None:
    service = Service("duration=10", "callback_garbage=1")
    (callback,) = post(service).callbacks
    assert service.simulator.callback_body(callback).startswith(b"<!DOCTYPE")


def test_a_forged_address_differs() -> None:
    assert forge_url(URL) == "http://127.0.0.1:9/hooks/0.1.cba"
    assert forge_url("http://127.0.0.1/0.1.aa") == "http://127.0.0.1/0.1.aax"


@pytest.mark.parametrize(
    "url",
    ["https://jobs.example.com/x", "http://10.0.0.1/x", "http://127.0.0.1.example.com/", "http://localhost.example/",
     "http://user@example.com/", "ftp://127.0.0.1/", "127.0.0.1:80", "http://", "http://[::1", "http://127.0.0.1:99999/",
     "http://0.0.0.0:80/", "http://169.254.169.254/"],
)  # fmt: skip
def test_no_other_machine_is_ever_called(url: str) -> None:
    assert not is_allowed_callback_url(url)
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
    assert is_allowed_callback_url(url)
    assert post(Service(), url).status == 200


def test_callbacks_of_an_earlier_process_are_sent_by_the_next(tmp_path: Path) -> None:
    before = Service("duration=10", path=tmp_path / "s.db")
    post(before, a=1)
    before.clock.advance(5)
    post(before, a=2)
    before.post({"a": 3})
    before.store.close()
    before.clock.advance(7)
    after = Service("duration=10", "callback_early=1", path=tmp_path / "s.db", clock=before.clock)
    (callback,) = after.simulator.pending_callbacks()
    assert callback.delay == pytest.approx(3.1)
    assert callback_content(after, callback)["inputs"] == {"a": 2}


@asynccontextmanager
async def callback_receiver(received: list[tuple[str, bytes]], status: int = 200) -> AsyncIterator[str]:
    async def answer_callback(request: web.BaseRequest) -> web.Response:
        received.append((request.path, await request.read()))
        return web.Response(status=status)

    server = await asyncio.get_running_loop().create_server(
        web.Server(answer_callback, access_log=None), "127.0.0.1", 0
    )
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


@pytest.mark.parametrize(("status", "counted"), [(200, "callbacks"), (404, "callbacks_refused")])
def test_the_server_sends_them(status: int, counted: str) -> None:
    class NotifyingSimulator(Simulator):
        def count_callback(self, status: int | None) -> None:
            super().count_callback(status)
            if self.stats()[counted] == 2:
                both_counted.set()

    options = parse_options(["duration=0", "callback_delay=0", "callback_early=1"])
    both_counted, received = asyncio.Event(), list[tuple[str, bytes]]()
    store = Store()
    simulator = NotifyingSimulator(FakeClock(), store, options)

    async def main() -> None:
        async with (
            callback_receiver(received, status) as receiver,
            serve(simulator) as base_url,
            aiohttp.ClientSession() as session,
        ):
            body = {"workflow_id": "echo", "async": True, "callback_url": f"{receiver}/hooks/0.1.abc"}
            async with session.post(f"{base_url}/v1/workflow/run", json=body, headers=JSON) as answer:
                run_id = (await answer.json())["run_id"]
            assert len(received) >= 1, "the early callback came before the answer"
            async with asyncio.timeout(10):
                await both_counted.wait()
        assert [path for path, _ in received] == ["/hooks/0.1.abc"] * 2
        assert all(msgspec.json.decode(body)["run_id"] == run_id for _, body in received)

    with store:
        asyncio.run(main())


def test_a_missing_receiver_does_no_harm() -> None:
    service = Service("duration=0", "callback_early=1", "callback_delay=3600")

    async def main() -> None:
        async with serve(service.simulator) as base_url, aiohttp.ClientSession() as session:
            body = {"workflow_id": "echo", "async": True, "callback_url": "http://127.0.0.1:1/"}
            async with session.post(f"{base_url}/v1/workflow/run", json=body, headers=JSON) as answer:
                assert answer.status == 200

    asyncio.run(main())
    assert service.simulator.stats()["callbacks_refused"] == 1
