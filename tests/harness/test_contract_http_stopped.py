"""A process that was stopped for longer than its timeouts reads what has arrived before it judges.

The stop is simulated: virtual time jumps within one turn of the event loop, as when the process was suspended then.
"""

import asyncio
from pathlib import Path

import pytest

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.transport import HttpTransport, open_transport
from batchrun.ports import Request, Response, TransportError
from tests.contract.certificates import make_certificate, needs_openssl
from tests.contract.raw_server import (
    GET,
    NOW,
    OK,
    POST,
    SECRET,
    Server,
    answering,
    hangs,
    permit,
    served,
)
from tests.support.virtual import StillClock, VirtualLoop, run_virtual

LONG = 3_000_000
LONG_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LONG + bytes(LONG)
MEDIUM_ANSWER = LONG_ANSWER.replace(b"%d" % LONG, b"%d" % (LONG // 3))[: -2 * LONG // 3]


def stop(seconds: float) -> None:
    """The process does not run for `seconds`."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop.advance(seconds)


async def stop_after(turns: int, seconds: float) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    stop(seconds)


async def answer_in_spite_of_a_stop(transport: HttpTransport, request: Request, turns: int, seconds: float) -> Response:
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(transport.send(request, permit))
        await stop_after(turns, seconds)
    return sending.result()


@pytest.mark.parametrize("seconds", [6.0, 100.0])
@pytest.mark.parametrize(
    ("request_", "answer"), [(POST, OK), (GET, OK), (POST, LONG_ANSWER)], ids=["POST", "GET", "long answer"]
)
def test_a_stop_at_any_moment_costs_no_answer(request_: Request, answer: bytes, seconds: float) -> None:
    async def main() -> None:
        async with served(answering(answer)) as (server, base):
            for turns in range(30):
                async with open_transport(base, Token(SECRET), StillClock(NOW)) as transport:
                    assert (await answer_in_spite_of_a_stop(transport, request_, turns, seconds)).status == 200
            assert len(server.seen) == 30

    run_virtual(main())


@needs_openssl
@pytest.mark.parametrize("seconds", [6.0, 100.0])
def test_a_stop_at_any_moment_of_tls_costs_no_answer(tmp_path: Path, seconds: float) -> None:
    async def main() -> None:
        certificate = make_certificate(tmp_path)
        async with served(answering(LONG_ANSWER), certificate.server_context()) as (server, base):
            for turns in range(30):
                async with open_transport(base, Token(SECRET), StillClock(NOW), certificate.path) as transport:
                    assert (await answer_in_spite_of_a_stop(transport, POST, turns, seconds)).status == 200
            assert len(server.seen) == 30

    run_virtual(main())


def test_the_answers_of_many_requests_that_arrived_during_a_stop_are_read() -> None:
    async def main() -> None:
        arrived, all_arrived, release = 0, asyncio.Event(), asyncio.Event()

        async def behave(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal arrived
            await server.request(reader)
            arrived += 1
            answer = MEDIUM_ANSWER if arrived % 2 else OK
            if arrived == 50:
                all_arrived.set()
            await release.wait()
            writer.write(answer)
            await writer.drain()

        async with served(behave) as (_, base), open_transport(base, Token(SECRET), StillClock(NOW)) as transport:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(transport.send(POST, permit)) for _ in range(50)]
                await all_arrived.wait()
                release.set()
                await stop_after(1, 3600)
            assert all(task.result().status == 200 for task in tasks)

    run_virtual(main())


async def outcome_after(transport: HttpTransport, stops: list[float], every: float) -> Response | TransportError:
    async def stop_again_and_again() -> None:
        for seconds in stops:
            await asyncio.sleep(every)
            stop(seconds)

    async with asyncio.TaskGroup() as group:
        stopping = group.create_task(stop_again_and_again())
        try:
            return await transport.send(POST, permit)
        except TransportError as error:
            return error
        finally:
            stopping.cancel()


@pytest.mark.parametrize(
    ("stops", "every", "longest"), [([3600.0], 1.0, 3608), ([0.5] * 100, 1.0, 15), ([1.0] * 10, 4.9, 15)]
)
def test_a_request_that_is_not_answered_is_given_up_soon_after_a_stop(
    stops: list[float], every: float, longest: float
) -> None:
    """The time of the stops does not count, and each request gets a grace of up to 5 s once."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with served(hangs) as (_, base), open_transport(base, Token(SECRET), StillClock(NOW)) as transport:
            started = loop.time()
            got = await outcome_after(transport, stops, every)
            assert isinstance(got, TransportError)
            assert (got.sent, got.timed_out) == (True, True)
            assert loop.time() - started <= longest

    run_virtual(main())


def test_a_post_is_not_sent_on_a_connection_that_was_closed_during_a_stop() -> None:
    """The process was stopped while it waited for the permit."""

    async def main() -> None:
        async def closing_soon(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if server.connections == 1:
                writer.close()
                return
            await answering(OK)(server, reader, writer)

        async def stopped_permit() -> None:
            stop(60)

        async with (
            served(closing_soon) as (server, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            assert (await transport.send(POST, stopped_permit)).status == 200
            assert (server.connections, len(server.seen)) == (2, 1)

    run_virtual(main())
