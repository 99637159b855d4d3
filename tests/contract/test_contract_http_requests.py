"""What a service receives, and that its answer comes back whole."""

import asyncio
import gzip
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.transport import HttpTransport, open_transport
from batchrun.ports import Request, Response
from tests.contract.raw_server import (
    BODY,
    GET,
    NOW,
    OK,
    POST,
    SECRET,
    answering,
    outcome,
    permit,
    served,
    virtual,
)
from tests.support.virtual import StillClock

# -- what is sent


def test_a_submission_as_the_server_sees_it() -> None:
    async def main() -> None:
        async with served(answering(OK)) as (server, base):
            await outcome(base)
        (seen,) = server.seen
        assert seen.line == "POST /v1/workflow/run HTTP/1.1"
        assert seen.body == BODY
        assert seen.headers["authorization"] == f"Bearer {SECRET}"
        assert seen.headers["content-type"] == "application/json"

    virtual(main())


def test_a_poll_as_the_server_sees_it() -> None:
    async def main() -> None:
        async with served(answering(OK)) as (server, base):
            await outcome(f"{base}/prefix/", GET)
        (seen,) = server.seen
        assert seen.line == "GET /prefix/v1/workflow/history/a%2Fb HTTP/1.1"
        assert seen.headers["authorization"] == f"Bearer {SECRET}"
        assert "content-type" not in seen.headers
        assert seen.body == b""

    virtual(main())


# -- what comes back


def test_several_values_of_retry_after_come_back_all() -> None:
    async def main() -> None:
        head = b"HTTP/1.1 429 No\r\nRetry-After: 1\r\nDate: today\r\nretry-after: 7200\r\nDate: tomorrow\r\n"
        async with served(answering(head + b"Content-Length: 0\r\n\r\n")) as (_, base):
            got = await outcome(base)
        assert isinstance(got, Response)
        assert got.headers == {"retry-after": "1\n7200", "date": "today"}

    virtual(main())


@pytest.mark.parametrize("status", [200, 201, 204, 301, 302, 307, 400, 401, 404, 408, 429, 500, 503, 599])
def test_an_answer_comes_back_whole_whatever_its_status_and_no_redirect_is_followed(status: int) -> None:
    async def main() -> None:
        body = b"" if status == 204 else b'{"a":1}'
        answer = (
            f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n"
            "RETRY-After: 7\r\nX-Tt-Logid: L\r\nLocation: /elsewhere\r\nX-Odd: \xe9\r\n\r\n"
        ).encode("latin-1") + body
        async with served(answering(answer)) as (server, base):
            got = await outcome(base)
        assert isinstance(got, Response)
        assert (got.status, got.body, got.received_at) == (status, body, NOW)
        assert (got.headers["retry-after"], got.headers["x-tt-logid"]) == ("7", "L")
        assert len(server.seen) == 1

    virtual(main())


def test_a_compressed_answer_is_unpacked() -> None:
    async def main() -> None:
        packed = gzip.compress(b'{"a":1}')
        answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed
        async with served(answering(answer)) as (_, base):
            got = await outcome(base)
        assert isinstance(got, Response)
        assert got.body == b'{"a":1}'

    virtual(main())


def test_a_chunked_answer_and_one_that_ends_with_the_connection() -> None:
    async def main() -> None:
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        for answer in (chunked, b"HTTP/1.0 200 OK\r\n\r\nabcde"):
            async with served(answering(answer, keep_alive=False)) as (_, base):
                got = await outcome(base)
            assert isinstance(got, Response)
            assert got.body == b"abcde"

    virtual(main())


def test_cookies_are_not_kept() -> None:
    async def main() -> None:
        answer = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: session=1\r\n\r\n")
        async with (
            served(answering(answer)) as (server, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            for _ in range(2):
                await transport.send(POST, permit)
        assert ["cookie" in seen.headers for seen in server.seen] == [False, False]

    virtual(main())


def test_the_transport_is_what_the_engine_asks_for() -> None:
    send: Callable[[HttpTransport, Request, Callable[[], Awaitable[None]]], Coroutine[Any, Any, Response]]
    send = HttpTransport.send
    assert asyncio.iscoroutinefunction(send)


def test_a_body_of_megabytes_arrives_whole() -> None:
    body = bytes(range(256)) * (5 << 12)

    async def main() -> None:
        async with (
            served(answering(OK)) as (server, base),
            open_transport(base, Token(SECRET), StillClock()) as transport,
        ):
            assert (await transport.send(Request("POST", "/v1/workflow/run", body), permit)).status == 200
            assert (await transport.send(POST, permit)).status == 200
        assert [seen.body for seen in server.seen] == [body, BODY]
        assert server.connections == 1

    virtual(main())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("request_", [POST, GET], ids=["POST", "GET"])
def test_a_redirect_is_not_followed_and_the_token_goes_nowhere_else(status: int, request_: Request) -> None:
    async def main() -> None:
        async with served(answering(OK)) as (other, elsewhere):
            # Another host and another port, and the same host under another name.
            for target in (elsewhere, elsewhere.replace("127.0.0.1", "localhost")):
                location = f"{target}{request_.path}"
                answer = f"HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
                async with served(answering(answer)) as (server, base):
                    got = await outcome(base, request_)
                assert isinstance(got, Response)
                assert got.status == status
                assert len(server.seen) == 1
            assert (other.seen, other.connections) == ([], 0)

    asyncio.run(main())
