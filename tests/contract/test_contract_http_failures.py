"""Requests that fail over real loopback sockets: may the service have received them?"""

import asyncio
import gzip
import socket
import struct

import pytest

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.memory import MAX_RESPONSE_BYTES
from batchrun.adapters.http.transport import open_transport
from batchrun.ports import Request, Response, TransportError
from tests.contract.raw_server import (
    GET,
    NOW,
    OK,
    POST,
    SECRET,
    Server,
    closes_without_an_answer,
    cut,
    hangs,
    outcome,
    permit,
    served,
    virtual,
)
from tests.support.virtual import StillClock


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset."""
    found = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def closes_at_once(_server: Server, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    pass


async def resets_at_once(_server: Server, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def resets_without_an_answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.request(reader)
    reset(writer)


async def drips(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(1000):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(1)


async def never_ends(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(100 * MAX_RESPONSE_BYTES >> 20):
        writer.write(bytes(1 << 20))
        await writer.drain()
    pytest.fail("it was all read")


WRONG = {
    "closes at once": closes_at_once,
    "resets at once": resets_at_once,
    "closes without an answer": closes_without_an_answer,
    "resets without an answer": resets_without_an_answer,
    "hangs": hangs,
    "drips": drips,
    "never ends": never_ends,
    "half a status line": cut(b"HTTP/1."),
    "half a head": cut(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "a body cut off": cut(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"run_id": "r'),
    "a server error cut off": cut(b"HTTP/1.1 500 Oops\r\nContent-Length: 100\r\n\r\n{"),
    "a chunk cut off": cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nabc"),
    "a chunk of garbage": cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n"),
    "garbage": cut(b"\x00\xff garbage \r\n\r\n"),
    "another protocol": cut(b"SSH-2.0-OpenSSH_9.6\r\n"),
    "a status that is no number": cut(b"HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n"),
    "a length that is no number": cut(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}"),
    "two lengths": cut(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
    "a header too long": cut(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1_000_000 + b"\r\nContent-Length: 2\r\n\r\n{}"),
    "not the gzip that it says": cut(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"),
    "gzip cut off": cut(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n" + gzip.compress(b"{}")[:12]
    ),
}


COOKIE = b"Set-Cookie: session=of-somebody\r\n"
NOT_HTTP = {
    "half a head": b"HTTP/1.1 200 OK\r\n" + COOKIE + b"X-Par",
    "half a body": b"HTTP/1.1 200 OK\r\n" + COOKIE + b"Content-Length: 50\r\n\r\n{",
    "a header without a name": b"HTTP/1.1 200 OK\r\n" + COOKIE.replace(b"-", b" ") + b"\r\n",
    "a header too long": b"HTTP/1.1 200 OK\r\nX: " + b"session=of-somebody" * 1000 + b"\r\n\r\n",
    "a length with more": b"HTTP/1.1 200 OK\r\nContent-Length: session=of-somebody\r\n\r\n",
    "a long first line": b"\x16\x03\x01" + b"G" * 5000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("name", NOT_HTTP)
def test_a_message_shows_no_header_and_no_object_of_the_library(name: str) -> None:
    async def main() -> None:
        async with served(cut(NOT_HTTP[name])) as (_, base):
            got = str(await outcome(base, GET))
        assert "127.0.0.1" in got
        assert "session" not in got
        assert "<" not in got
        assert len(got) < 300

    virtual(main())


@pytest.mark.parametrize("name", sorted(WRONG))
@pytest.mark.parametrize("request_", [POST, GET], ids=["POST", "GET"])
def test_once_the_permit_was_given_the_service_may_have_it(name: str, request_: Request) -> None:
    async def main() -> None:
        async with served(WRONG[name]) as (_, base):
            got = await outcome(base, request_)
        assert isinstance(got, TransportError), got
        assert got.sent
        assert str(got)
        assert "\n" not in str(got)
        assert SECRET not in str(got) + repr(got)

    virtual(main())


def test_a_refused_connection_was_never_sent() -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            base = f"http://127.0.0.1:{taken.getsockname()[1]}"
            permits = 0

            async def counted() -> None:
                nonlocal permits
                permits += 1

            async with open_transport(base, Token(SECRET), StillClock()) as transport:
                with pytest.raises(TransportError, match=r"no connection to .*: Connection refused") as caught:
                    await transport.send(POST, counted)
        assert not caught.value.sent
        assert permits == 0

    virtual(main())


def test_a_name_that_means_nothing_was_never_sent_to() -> None:
    async def main() -> None:
        got = await outcome("http://no-such-host.invalid")
        assert isinstance(got, TransportError)
        assert not got.sent

    asyncio.run(main())


def test_a_server_without_tls_never_saw_it() -> None:
    async def plain(_server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(OK)

    async def main() -> None:
        async with served(plain) as (_, base):
            got = await outcome(base.replace("http:", "https:"))
        assert isinstance(got, TransportError)
        assert not got.sent

    asyncio.run(main())


@pytest.mark.parametrize("status", [400, 401, 404, 408, 413, 422, 429])
def test_a_refusal_whose_body_was_cut_off_is_still_a_refusal(status: int) -> None:
    async def main() -> None:
        answer = b"HTTP/1.1 %d No\r\nRetry-After: 3\r\nContent-Length: 100\r\n\r\n{" % status
        async with served(cut(answer)) as (_, base):
            got = await outcome(base)
        assert isinstance(got, Response)
        assert (got.status, got.headers["retry-after"], got.received_at) == (status, "3", NOW)

    virtual(main())


def test_an_answer_that_unpacks_without_end_is_cut_off() -> None:
    async def main() -> None:
        packed = gzip.compress(bytes(MAX_RESPONSE_BYTES + (1 << 20)), 1)
        answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
        async with served(cut(answer)) as (_, base):
            got = await outcome(base)
        assert isinstance(got, TransportError)
        assert got.sent

    virtual(main())


def test_after_any_of_it_the_next_request_is_fine() -> None:
    async def main() -> None:
        answers = (b"\x00garbage\r\n\r\n", OK)

        async def behave(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.request(reader)
            writer.write(answers[min(len(server.seen), 2) - 1])

        async with (
            served(behave) as (_, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            with pytest.raises(TransportError):
                await transport.send(POST, permit)
            assert (await transport.send(POST, permit)).status == 200

    virtual(main())


def test_the_address_is_only_doubted_before_the_first_answer() -> None:
    async def behave(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.request(reader)
        if len(server.seen) == 2:
            writer.write(OK)

    async def main() -> None:
        messages = []
        async with served(behave) as (_, base), open_transport(base, Token(SECRET), StillClock()) as transport:
            for _ in range(3):
                try:
                    await transport.send(POST, permit)
                except TransportError as error:
                    messages.append(str(error))
        first, last = messages
        assert "does it expect https://?" in first
        assert last.endswith("closed the connection without an answer")

    virtual(main())
