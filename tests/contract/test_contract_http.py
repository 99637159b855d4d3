"""The transport over real loopback sockets, against faulty servers: may the service have received the request?"""

import asyncio
import gzip
import json
import logging
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from batchrun.adapters.credentials.token import Token, load_token
from batchrun.adapters.http.connections import KEEPALIVE
from batchrun.adapters.http.exchange import MAX_RESPONSE_BYTES
from batchrun.adapters.http.proxies import proxy_for
from batchrun.adapters.http.sockets import KEEPALIVE_SECONDS, keepalive_socket
from batchrun.adapters.http.transport import HttpTransport, open_transport
from batchrun.dialects.v1 import V1
from batchrun.errors import InputError
from batchrun.ports import Request, Response, TransportError
from tests.support.virtual import run_virtual

NOW = 1_760_000_000_000
SECRET = "pat_s3cr3t"
BODY = b'{"workflow_id":"w"}'
POST = Request("POST", "/v1/workflow/run", BODY, 5.0)
GET = Request("GET", "/v1/workflow/history/a%2Fb", None, 5.0)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class StillClock:
    """A wall clock that stands still."""

    def now(self) -> int:
        return NOW


@dataclass
class Seen:
    """One request as the server saw it."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """A minimal server. `behave` answers each request, or misbehaves."""

    behave: Callable[["Server", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0

    async def request(self, reader: asyncio.StreamReader) -> Seen:
        """Read one whole request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        line, *rest = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (text.partition(":") for text in rest if text)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.seen.append(Seen(line, headers, body))
        return self.seen[-1]

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.behave(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            writer.close()


@asynccontextmanager
async def served(
    behave: Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[tuple[Server, str]]:
    server = Server(behave)
    listener = await asyncio.start_server(server.connected, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield server, f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    finally:
        listener.close()


def answering(*answers: bytes, keep_alive: bool = True) -> Any:
    """A server that gives these answers, one per request, and repeats the last one."""

    async def behave(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await server.request(reader)
            writer.write(answers[min(len(server.seen), len(answers)) - 1])
            await writer.drain()
            if not keep_alive:
                return

    return behave


async def permit() -> None:
    """A permit that is granted at once."""


def virtual(main: Coroutine[Any, Any, None]) -> None:
    run_virtual(main)


async def outcome(base: str, request: Request = POST, token: Token | None = None) -> Response | TransportError:
    async with open_transport(base, token or Token(SECRET), StillClock()) as transport:
        try:
            return await transport.send(request, permit)
        except TransportError as error:
            return error


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


# -- failures, and whether the service may have received the request

Behave = Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side sees a reset."""
    found = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def closes_at_once(_server: Server, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    pass


async def resets_at_once(_server: Server, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset(writer)


async def closes_without_an_answer(server: Server, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await server.request(reader)


async def resets_without_an_answer(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.request(reader)
    reset(writer)


async def hangs(server: Server, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await server.request(reader)
    await reader.read()


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


def cut(answer: bytes) -> Behave:
    found: Behave = answering(answer, keep_alive=False)
    return found


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


def test_where_nobody_listens_the_service_never_saw_it() -> None:
    async def main() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            base = f"http://127.0.0.1:{taken.getsockname()[1]}"
            permits = 0

            async def counted() -> None:
                nonlocal permits
                permits += 1

            async with open_transport(base, Token(SECRET), StillClock()) as transport:
                with pytest.raises(TransportError, match="Cannot connect") as caught:
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


# -- the token


def unauthorized_unless(token: str) -> Behave:
    async def behave(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen = await server.request(reader)
            good = seen.headers["authorization"] == f"Bearer {token}"
            writer.write(OK if good else OK.replace(b"200 OK", b"401 No"))

    return behave


def test_a_token_that_was_replaced_in_its_file_is_tried_once_more(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "token"
        path.write_text("old")
        token = load_token(path, None, None, V1())
        path.write_text("new\n")
        async with served(unauthorized_unless("new")) as (server, base):
            got = await outcome(base, POST, token)
        assert isinstance(got, Response)
        assert got.status == 200
        assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer old", "Bearer new"]
        assert [seen.body for seen in server.seen] == [BODY, BODY]

    virtual(main())


def test_each_try_has_a_permit_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "token"
        path.write_text("old")
        token = load_token(path, None, None, V1())
        path.write_text("new\n")
        permits = 0

        async def counted() -> None:
            nonlocal permits
            permits += 1

        async with (
            served(unauthorized_unless("new")) as (_, base),
            open_transport(base, token, StillClock()) as transport,
        ):
            assert (await transport.send(POST, counted)).status == 200
        assert permits == 2

    virtual(main())


@pytest.mark.parametrize("renewed", ["old", "another that is wrong"[:7], None])
def test_a_token_that_stays_refused_is_not_tried_again_and_again(tmp_path: Path, renewed: str | None) -> None:
    async def main() -> None:
        path = tmp_path / "token"
        path.write_text("old")
        token = load_token(path, None, None, V1()) if renewed else Token("old")
        path.write_text(renewed or "new")
        async with served(unauthorized_unless("right")) as (server, base):
            got = await outcome(base, POST, token)
        assert isinstance(got, Response)
        assert got.status == 401
        assert len(server.seen) == (2 if renewed == "another" else 1)

    virtual(main())


def test_the_token_shows_itself_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        token = Token(SECRET)
        async with (
            served(answering(OK, b"garbage\r\n\r\n")) as (_, base),
            open_transport(base, token, StillClock()) as transport,
        ):
            got = await transport.send(POST, permit)
            with pytest.raises(TransportError) as caught:
                await transport.send(POST, permit)
            shown: list[object] = [token, transport, POST, got, caught.value, caught.value.args, vars(transport)]
            for thing in shown:
                assert SECRET not in f"{thing!r} {thing!s}"

    with caplog.at_level(logging.DEBUG):
        virtual(main())
    assert SECRET not in caplog.text


# -- certificates and proxies


@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificate with the openssl command")
def test_an_unknown_certificate_is_refused_before_anything_is_sent_and_a_known_one_is_trusted(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    async def main() -> None:
        async with served(answering(OK), tls) as (server, base):
            got = await outcome(base)
            assert isinstance(got, TransportError)
            assert not got.sent
            assert server.seen == []
            async with open_transport(base, Token(SECRET), StillClock(), str(certificate)) as transport:
                assert (await transport.send(POST, permit)).status == 200

    asyncio.run(main())


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_certificates_that_cannot_be_used_is_a_mistake(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)

    async def main() -> None:
        async with open_transport("https://127.0.0.1", Token(SECRET), StillClock(), str(path)):
            pass

    with pytest.raises(InputError, match=f"--ca-file {path}: cannot be used"):
        asyncio.run(main())


ASK_FOR_PROXIES = """
import json, os, sys
from yarl import URL
from batchrun.adapters.http.proxies import proxy_for
from batchrun.errors import InputError
found = []
for environment, url in json.load(sys.stdin):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            del os.environ[name]
    os.environ.update(environment)
    try:
        found.append(str(proxy_for(URL(url)) or ""))
    except InputError as error:
        found.append(f"InputError: {error}")
json.dump(found, sys.stdout)
"""
PROXIES: list[tuple[dict[str, str], str, str]] = [
    ({}, "https://api.coze.cn", ""),
    ({"https_proxy": "http://proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"HTTPS_PROXY": "http://proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"https_proxy": "proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"http_proxy": "http://proxy:3128"}, "https://api.coze.cn", ""),
    ({"http_proxy": "http://proxy:3128"}, "http://api.coze.cn", "http://proxy:3128"),
    ({"all_proxy": "http://proxy:3128"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"https_proxy": "http://proxy:3128", "no_proxy": "coze.cn"}, "https://api.coze.cn", ""),
    ({"https_proxy": "http://proxy:3128", "no_proxy": "*"}, "https://api.coze.cn", ""),
    ({"https_proxy": "http://proxy:3128", "no_proxy": "other.cn"}, "https://api.coze.cn", "http://proxy:3128"),
    ({"all_proxy": "http://proxy:3128", "http_proxy": "http://p:1"}, "http://127.0.0.1:8080", ""),
    ({"all_proxy": "http://proxy:3128"}, "http://localhost:8080", ""),
    ({"all_proxy": "http://proxy:3128"}, "http://LOCALHOST:8080", ""),
    ({"all_proxy": "http://proxy:3128"}, "http://localhost.:8080", ""),
    ({"all_proxy": "http://proxy:3128"}, "http://[::1]:8080", ""),
    ({"all_proxy": "http://proxy:3128"}, "http://[::ffff:127.0.0.1]:8080", ""),
]


def test_proxies_of_the_environment_are_honoured_as_curl_does_and_never_for_loopback() -> None:
    asked = json.dumps([(environment, url) for environment, url, _ in PROXIES])
    found = subprocess.run(
        [sys.executable, "-c", ASK_FOR_PROXIES], input=asked, capture_output=True, text=True, check=True
    )
    assert json.loads(found.stdout) == [expected for _, _, expected in PROXIES]


def test_a_proxy_that_cannot_be_used_is_a_mistake() -> None:
    asked = json.dumps([({"all_proxy": "socks5://proxy:1080"}, "https://api.coze.cn")])
    found = subprocess.run(
        [sys.executable, "-c", ASK_FOR_PROXIES], input=asked, capture_output=True, text=True, check=True
    )
    (text,) = json.loads(found.stdout)
    assert text.startswith("InputError: ")
    assert "socks5" in text


def test_loopback_needs_no_proxy_here_either() -> None:
    assert proxy_for(URL("http://127.0.0.1:1")) is None


def test_the_transport_is_what_the_engine_asks_for() -> None:
    send: Callable[[HttpTransport, Request, Callable[[], Awaitable[None]]], Coroutine[Any, Any, Response]]
    send = HttpTransport.send
    assert asyncio.iscoroutinefunction(send)


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


def test_of_many_connections_those_are_closed_that_nobody_needs_any_more() -> None:
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


@pytest.mark.parametrize(
    ("token", "status", "said", "kept"),
    [
        ("pat_0123456789", b"400 Bad", b"you sent Bearer pat_0123456789", b"you sent Bearer ***"),
        ("pat_0123456789", b"401 No", b"bad token pat_0123456789", b"bad token ***"),
        ("pat_0123456789", b"200 OK", b'{"status":"completed"}', b'{"status":"completed"}'),
        ("t", b"200 OK", b'{"status":"completed"}', b'{"status":"completed"}'),
        ("t", b"400 Bad", b"not right: Bearer t", b"not right: Bearer ***"),
    ],
)
def test_a_token_that_a_refusal_repeats_is_masked_and_no_other_text(
    token: str, status: bytes, said: bytes, kept: bytes
) -> None:
    async def main() -> None:
        answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(said), said)

        async def leave() -> None: ...

        async with (
            served(answering(answer)) as (_, base),
            open_transport(base, Token(token), StillClock()) as transport,
        ):
            assert (await transport.send(POST, leave)).body == kept

    virtual(main())


# -- long answers


def test_a_connection_on_which_nothing_is_said_for_long_is_asked_after() -> None:
    with closing(keepalive_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))) as made:
        assert made.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        idle = getattr(socket, "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE")
        assert made.getsockopt(socket.IPPROTO_TCP, idle) == KEEPALIVE_SECONDS


def test_a_request_whose_time_is_over_is_told_from_one_that_was_cut_off() -> None:
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


def test_a_request_that_waits_for_a_token_when_the_job_stops_stays_refused() -> None:
    """The 401 proves that no run was created, so the row must not be in doubt."""

    async def main() -> None:
        waiting, go_on = asyncio.Event(), threading.Event()

        class Slow:
            def read(self) -> str:
                loop.call_soon_threadsafe(waiting.set)
                assert go_on.wait(10)
                return "new-token"

        loop = asyncio.get_running_loop()
        async with (
            served(unauthorized_unless("new-token")) as (server, base),
            open_transport(base, Token("old-token", Slow()), StillClock()) as transport,
            asyncio.TaskGroup() as group,
        ):
            sending = group.create_task(transport.send(POST, permit))
            await waiting.wait()
            sending.cancel()
            go_on.set()
            assert (await sending).status == 401
        assert len(server.seen) == 1

    asyncio.run(main())


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


@pytest.mark.parametrize("status", [b"200 OK", b"500 Oops"])
def test_a_token_that_any_answer_repeats_is_masked(status: bytes) -> None:
    async def main() -> None:
        said = b'{"error":{"code":"X","message":"pat_\\/0123456789 pat_%2F0123456789 pat_\\u002f0123456789"}}'
        answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(said), said)
        async with served(answering(answer)) as (_, base):
            got = await outcome(base, POST, Token("pat_/0123456789"))
            assert isinstance(got, Response)
            assert got.body == b'{"error":{"code":"X","message":"*** *** ***"}}'
        async with served(cut(b"HTTP/1.1 200 pat_/0123456789\r\nContent-Length: pat_/0123456789\r\n\r\n")) as (_, base):
            lost = await outcome(base, POST, Token("pat_/0123456789"))
            assert "0123456789" not in f"{lost!r} {lost}"

    virtual(main())
