"""When a request gets its permit, and which connections are used again."""

import asyncio
from typing import Any

import aiohttp
import pytest
from yarl import URL

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.connections import KEEPALIVE
from batchrun.adapters.http.transport import HttpTransport, open_transport
from batchrun.ports import TransportError
from tests.contract.raw_server import (
    BODY,
    OK,
    POST,
    SECRET,
    Server,
    answering,
    permit,
    served,
    virtual,
)
from tests.support.virtual import StillClock


def test_a_post_on_a_connection_that_was_just_closed_is_not_sent_a_second_time() -> None:
    async def main() -> None:
        async def once(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            writer.write(OK)
            await server.request(reader)

        async with (
            served(once) as (server, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            assert (await transport.send(POST, permit)).status == 200
            with pytest.raises(TransportError) as caught:
                await transport.send(POST, permit)
        assert caught.value.sent
        assert len(server.seen) == 2
        assert server.connections == 1

    virtual(main())


# -- the permit


def test_the_permit_is_the_last_thing_before_the_bytes() -> None:
    async def main() -> None:
        connected, granted = asyncio.Event(), False

        async def behave(_server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connected.set()
            first = await reader.read(1)
            assert first
            assert granted
            writer.write(OK)

        async def slow() -> None:
            nonlocal granted
            await connected.wait()
            await asyncio.sleep(100)
            granted = True

        async with (
            served(behave) as (_, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            # The 100 s of waiting for the permit do not count towards the timeout of 5 s.
            assert (await transport.send(POST, slow)).status == 200
            assert granted

    virtual(main())


def test_one_request_is_one_permit_on_a_new_connection_and_on_one_that_is_kept() -> None:
    async def main() -> None:
        permits = 0

        async def counted() -> None:
            nonlocal permits
            permits += 1

        async with (
            served(answering(OK)) as (server, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            for number in range(1, 4):
                await transport.send(POST, counted)
                assert permits == number
        assert server.connections == 1

    virtual(main())


# -- which connection a request uses


def test_a_connection_that_dies_while_its_post_waits_is_replaced_under_the_same_permit() -> None:
    """No byte had left, so nothing is in doubt."""

    async def main() -> None:
        impatient, closed, permits = asyncio.Event(), asyncio.Event(), 0

        async def behave(_server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not closed.is_set():
                await impatient.wait()
                writer.close()
                await writer.wait_closed()
                closed.set()
                return
            await reader.readuntil(BODY)
            writer.write(OK)

        async def slow() -> None:
            nonlocal permits
            permits += 1
            impatient.set()
            await closed.wait()
            await asyncio.sleep(1)

        async with (
            served(behave) as (_, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            assert (await transport.send(POST, slow)).status == 200
            assert permits == 1

    virtual(main())


def test_what_a_server_says_unasked_while_a_post_waits_is_not_its_answer() -> None:
    """For example a 408 on an idle connection."""

    async def main() -> None:
        said = asyncio.Event()

        async def behave(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            writer.write(OK)
            if server.connections == 1:
                await asyncio.sleep(1)
                writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
                said.set()
                await asyncio.sleep(60)

        async def slow() -> None:
            await said.wait()
            await asyncio.sleep(0.5)

        async with (
            served(behave) as (server, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            assert (await transport.send(POST, permit)).status == 200
            assert (await transport.send(POST, slow)).status == 200
            assert server.connections == 2

    virtual(main())


@pytest.mark.parametrize(("idle", "connections"), [(0.9 * KEEPALIVE, 1), (1.1 * KEEPALIVE, 2)])
def test_a_connection_is_used_again_unless_it_was_idle_for_long(idle: float, connections: int) -> None:
    async def main() -> None:
        async with (
            served(answering(OK)) as (server, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            for _ in range(2):
                assert (await transport.send(POST, permit)).status == 200
                await asyncio.sleep(idle)
            assert server.connections == connections

    virtual(main())


def test_connections_that_are_no_longer_needed_are_closed() -> None:
    async def main() -> None:
        ended = 0

        async def behave(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal ended
            try:
                await answering(OK)(server, reader, writer)
            finally:
                ended += 1

        async with (
            served(behave) as (server, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            async with asyncio.TaskGroup() as group:
                for _ in range(3):
                    group.create_task(transport.send(POST, permit))
            assert (server.connections, ended) == (3, 0)
            for _ in range(3):
                await asyncio.sleep(0.4 * KEEPALIVE)
                await transport.send(POST, permit)
            await asyncio.sleep(0.1)
            assert (server.connections, ended) == (3, 2)

    virtual(main())


def test_a_connection_that_the_server_wants_to_close_is_not_used_again() -> None:
    async def main() -> None:
        last = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
        async with (
            served(answering(last)) as (server, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            for _ in range(2):
                assert (await transport.send(POST, permit)).status == 200
            assert server.connections == 2

    virtual(main())


class Slow(aiohttp.TCPConnector):
    """A connector that returns each connection 1 s after opening it, when data may have arrived."""

    async def connect(self, *arguments: Any) -> Any:
        connection = await super().connect(*arguments)
        await asyncio.sleep(1)
        return connection


def test_a_server_that_always_speaks_first_is_given_up_and_was_sent_nothing() -> None:
    async def main() -> None:
        async def behave(_server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"SSH-2.0-OpenSSH_9.6\r\n")
            await reader.read()

        async with served(behave) as (server, base), Slow() as connector:
            with pytest.raises(TransportError) as caught:
                await HttpTransport(connector, URL(base), Token(SECRET), StillClock()).send(POST, permit)
            assert not caught.value.sent
            assert not server.seen

    virtual(main())
