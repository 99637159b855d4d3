"""The time limit of a request, and connections on which nothing arrives for long."""

import asyncio
import socket
from contextlib import closing

import pytest

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.sockets import KEEPALIVE_SECONDS, keepalive_socket
from batchrun.adapters.http.transport import open_transport
from batchrun.ports import Request, TransportError
from tests.contract.raw_server import (
    POST,
    SECRET,
    Server,
    closes_without_an_answer,
    hangs,
    outcome,
    permit,
    served,
    virtual,
)
from tests.support.virtual import StillClock


def test_a_request_that_takes_too_long_is_given_up_in_time() -> None:
    async def main() -> None:
        async with served(hangs) as (_, base):
            loop = asyncio.get_running_loop()
            start = loop.time()
            got = await outcome(base)
            assert loop.time() - start == pytest.approx(5, abs=0.5)
        assert isinstance(got, TransportError)
        assert "no answer within 5 s" in str(got)

    virtual(main())


def test_a_connection_on_which_nothing_is_said_for_long_is_asked_after() -> None:
    with closing(keepalive_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle = getattr(socket, "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE")
        assert made.getsockopt(socket.IPPROTO_TCP, idle) == KEEPALIVE_SECONDS


def test_a_timeout_is_distinguished_from_a_closed_connection() -> None:
    async def main() -> None:
        async with served(hangs) as (_, base):
            late = await outcome(base)
        assert isinstance(late, TransportError)
        assert (late.sent, late.timed_out) == (True, True)
        async with served(closes_without_an_answer) as (_, base):
            cut = await outcome(base)
        assert isinstance(cut, TransportError)
        assert (cut.sent, cut.timed_out) == (True, False)

    virtual(main())


async def says_no_end(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.request(reader)
    writer.write(b'HTTP/1.1 200 OK\r\n\r\n{"run_id":"r","status":"completed"}')
    await reader.read()


def test_what_has_come_when_the_time_is_over_is_not_taken_for_the_whole_answer() -> None:
    """A body without a length ends with its connection, which the client closes."""

    async def main() -> None:
        async with served(says_no_end) as (_, base):
            got = await outcome(base, POST)
        assert isinstance(got, TransportError)
        assert got.sent
        assert got.timed_out

    virtual(main())


def test_each_request_has_its_own_time_however_many_there_are() -> None:
    async def main() -> None:
        loop, ended = asyncio.get_running_loop(), list[float]()
        async with served(hangs) as (_, base), open_transport(base, Token(SECRET), StillClock()) as transport:

            async def one(after: float, seconds: float) -> None:
                await asyncio.sleep(after)
                began = loop.time()
                with pytest.raises(TransportError):
                    await transport.send(Request("POST", "/", b"{}", seconds), permit)
                ended.append(loop.time() - began - seconds)

            async with asyncio.TaskGroup() as group:
                for after, seconds in [(0, 5), (1, 5), (2, 1), (2.5, 5), (20, 5), (20, 1)]:
                    group.create_task(one(after, seconds))
        assert len(ended) == 6
        assert all(-1e-6 <= late < 0.5 for late in ended), ended

    virtual(main())
