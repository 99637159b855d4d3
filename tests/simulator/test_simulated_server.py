"""The simulator on a real socket, and in the same process without sockets."""

import asyncio
import io
from collections.abc import Awaitable, Callable

import aiohttp
import msgspec
import pytest

from batchrun.errors import InputError
from batchrun.ports import Request, Response, TransportError
from batchrun.simulator.server import MAX_BODY, serve
from tests.simulator.simulated import JSON, START, FakeClock, Service, content
from tests.support.simulated_transport import SimulatedTransport

ClientScript = Callable[[aiohttp.ClientSession, str], Awaitable[None]]


def _over_http(service: Service, client: ClientScript) -> None:
    async def main() -> None:
        async with serve(service.simulator) as base_url, aiohttp.ClientSession() as session:
            assert base_url.startswith("http://127.0.0.1:")
            await asyncio.wait_for(client(session, base_url), 10)

    asyncio.run(main())


def test_a_run_over_http() -> None:
    service = Service("duration=10")

    async def client(session: aiohttp.ClientSession, base_url: str) -> None:
        body = {"workflow_id": "echo", "inputs": {"a": "é"}, "async": True}
        async with session.post(f"{base_url}/v1/workflow/run", json=body, headers=JSON) as answer:
            assert (answer.status, answer.content_type) == (200, "application/json")
            run_id = (await answer.json())["run_id"]
        service.clock.advance(10)
        url = f"{base_url}/v1/workflow/history/{run_id}"
        async with session.get(url, headers=JSON, params={"status": "completed"}) as answer:
            assert (await answer.json())["outputs"] == {"echo": {"a": "é"}}
        async with session.get(url, headers=JSON, params={"status": "failed"}) as answer:
            assert answer.status == 404
        async with session.get(url) as answer:
            assert answer.status == 401
        async with session.get(f"{base_url}/simulator/stats") as answer:
            assert (await answer.json())["posts"] == 1

    _over_http(service, client)


def test_a_lost_answer_over_http_is_a_closed_connection() -> None:
    service = Service("lost=1")

    async def client(session: aiohttp.ClientSession, base_url: str) -> None:
        body = {"workflow_id": "echo", "async": True}
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post(f"{base_url}/v1/workflow/run", json=body, headers=JSON)

    _over_http(service, client)
    assert service.simulator.stats()["runs"] == 1


def test_a_synchronous_run_whose_client_disconnected_is_still_in_the_history() -> None:
    service = Service("duration=50")
    body = msgspec.json.encode({"workflow_id": "echo", "inputs": {"a": "b"}, "async": False})
    run_id = content(Service("duration=50").send(body))["run_id"]

    async def client(session: aiohttp.ClientSession, base_url: str) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await session.post(f"{base_url}/v1/workflow/run", data=body, headers=JSON)
        service.clock.advance(50)
        async with session.get(f"{base_url}/v1/workflow/history/{run_id}", headers=JSON) as answer:
            assert (await answer.json())["outputs"] == {"echo": {"a": "b"}}

    _over_http(service, client)


def test_throttling_over_http_keeps_its_headers() -> None:
    async def client(session: aiohttp.ClientSession, base_url: str) -> None:
        for status in (404, 429):
            async with session.get(f"{base_url}/v1/workflow/history/run_0", headers=JSON) as answer:
                assert answer.status == status
        assert answer.headers["Retry-After"] == "1"

    _over_http(Service("poll_rps=1"), client)


def test_a_body_that_is_too_large_is_a_413() -> None:
    async def client(session: aiohttp.ClientSession, base_url: str) -> None:
        async with session.post(
            f"{base_url}/v1/workflow/run", data=io.BytesIO(bytes(MAX_BODY + 1)), headers=JSON
        ) as answer:
            assert answer.status == 413
            assert (await answer.json())["error"]["code"] == "PAYLOAD_TOO_LARGE"

    _over_http(Service(), client)


def test_the_server_stops_at_once_even_with_answers_pending() -> None:
    class NotifyingClock(FakeClock):
        def now(self) -> int:
            request_arrived.set()
            return super().now()

    request_arrived = asyncio.Event()
    service = Service("latency=3600", clock=NotifyingClock())

    async def main() -> float:
        loop = asyncio.get_running_loop()
        async with (
            serve(service.simulator) as base_url,
            aiohttp.ClientSession() as session,
            asyncio.TaskGroup() as group,
        ):
            request_arrived.clear()
            waiting = group.create_task(session.get(f"{base_url}/v1/workflow/history/x", headers=JSON).__aenter__())
            await request_arrived.wait()
            waiting.cancel()
            cancelled_at = loop.time()
        return loop.time() - cancelled_at

    assert asyncio.run(main()) < 1


def test_a_port_in_use_is_reported() -> None:
    async def main() -> None:
        async with serve(Service().simulator) as base_url:
            port = int(base_url.rpartition(":")[2])
            with pytest.raises(InputError, match=f"port {port}"):
                async with serve(Service().simulator, port):
                    pass

    asyncio.run(main())


def test_an_invalid_port_is_reported() -> None:
    async def main() -> None:
        with pytest.raises(InputError, match="port 70000"):
            async with serve(Service().simulator, 70000):
                pass

    asyncio.run(main())


def _in_process(service: Service, request: Request) -> tuple[Response, list[str]]:
    order: list[str] = []

    async def permit() -> None:
        order.append(f"permit after {service.simulator.stats()['posts']} posts")

    async def main() -> Response:
        return await SimulatedTransport(service.simulator, service.clock).send(request, permit)

    return asyncio.run(main()), order


SUBMIT = Request("POST", "/v1/workflow/run", b'{"workflow_id": "echo", "inputs": {"a": 1}, "async": true}')


def test_in_process_the_permit_comes_before_the_request() -> None:
    response, order = _in_process(Service(), SUBMIT)
    assert order == ["permit after 0 posts"]
    assert (response.status, response.received_at) == (200, START)
    assert b'"status":"pending"' in response.body


def test_in_process_paths_and_queries_are_decoded() -> None:
    service = Service("duration=0")
    run_id = service.submit()
    path = f"/v1/workflow/history/{run_id.replace('_', '%5F')}?status=completed&limit=1"
    assert _in_process(service, Request("GET", path))[0].status == 200
    assert _in_process(service, Request("GET", path.replace("limit=1", "limit=")))[0].status == 400


def test_in_process_a_lost_answer_was_sent() -> None:
    with pytest.raises(TransportError, match="closed the connection") as caught:
        _in_process(Service("lost=1"), SUBMIT)
    assert caught.value.sent


def test_in_process_an_answer_that_takes_too_long_was_sent() -> None:
    service = Service("latency=60")
    with pytest.raises(TransportError, match=r"no answer within 1e-06 s") as caught:
        _in_process(service, Request("POST", SUBMIT.path, SUBMIT.body, timeout=1e-6))
    assert caught.value.sent
    assert service.simulator.stats()["runs"] == 1


def test_in_process_the_answer_waits_on_the_loop() -> None:
    service = Service("latency=1e-6")
    assert _in_process(service, SUBMIT)[0].status == 200


def test_the_clock_is_the_only_source_of_time() -> None:
    assert content(Service(clock=FakeClock(0)).post())["created_at"] == "1970-01-01T00:00:00Z"
