"""The callback receiver over real loopback sockets: requests from strangers, and their cost."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass

import aiohttp
import pytest

from batchrun.adapters.callback_receiver import (
    IDLE_TIMEOUT,
    LOG_INTERVAL,
    MAX_BODY,
    MAX_CONNECTION_AGE,
    MAX_CONNECTIONS,
    MAX_LINE,
    MAX_WAITING,
    UNPROVEN_RPS,
    Receiver,
    open_receiver,
    refuse_taken,
)
from batchrun.dialects import DIALECTS
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.errors import InputError
from batchrun.ports import Hint
from tests.support.virtual import run_virtual

BODY = b'{"run_id":"run_1","status":"completed"}'


def free_port(host: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as one:
        one.bind((host, 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Stand:
    """A receiver, with helpers to send requests to it."""

    receiver: Receiver
    base_url: str
    session: aiohttp.ClientSession
    host: str
    port: int

    def address(self, row: int = 7, attempt: int = 2) -> str:
        return self.receiver.address(row, attempt)

    async def post(self, url: str, body: bytes | None = BODY, **how: object) -> int:
        return await self.request("POST", url, data=body, **how)

    async def request(self, method: str, url: str, **how: object) -> int:
        async with self.session.request(method, url, **how) as answer:  # type: ignore[arg-type]
            await answer.read()
            return answer.status

    async def heard(self) -> Hint:
        async with asyncio.timeout(5):
            return await self.receiver.next()

    async def quiet(self) -> bool:
        """Whether no callback is waiting."""
        try:
            async with asyncio.timeout(0.05):
                await self.receiver.next()
        except TimeoutError:
            return True
        return False

    async def raw(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection over which these bytes were sent."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(data)
        await writer.drain()
        return reader, writer

    def head(self, *headers: str) -> bytes:
        """The head of a callback request."""
        path = self.address().removeprefix(self.base_url)
        return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


@asynccontextmanager
async def stand(host: str = "127.0.0.1", prefix: str = "/hooks") -> AsyncIterator[Stand]:
    port = free_port(host if ":" in host else "127.0.0.1")
    base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    addresses = CallbackAddresses(base_url + prefix, b"k" * 32)
    async with (
        open_receiver(host, port, addresses, DIALECTS["v1"].callback_run_id) as receiver,
        aiohttp.ClientSession() as session,
    ):
        yield Stand(receiver, base_url, session, host, port)


def over_http(talk: Callable[[Stand], Awaitable[None]], host: str = "127.0.0.1") -> None:
    async def main() -> None:
        async with stand(host) as one:
            await talk(one)

    run_virtual(main())


def test_a_callback_names_its_attempt_and_the_run_of_its_body() -> None:
    async def talk(one: Stand) -> None:
        assert await one.post(one.address()) == 200
        assert await one.heard() == Hint(7, 2, "run_1")

    over_http(talk)


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_it_listens_where_it_is_told(host: str) -> None:
    async def talk(one: Stand) -> None:
        assert await one.post(one.address()) == 200

    over_http(talk, host)


@pytest.mark.parametrize(
    "body",
    [None, b"", b"hello", b"[1]", b"null", b'{"run_id":7.5e3000', b'{"run_id":""}', b'{"run_id":["a"]}', b"\xff\xfe",
     b'{"run_id":"' + b"x" * 600 + b'"}', b"[" * 60_000, b"<html>", b"run_id=1"],
    ids=lambda body: repr(body)[:20],
)  # fmt: skip
def test_a_body_of_any_sort_is_taken_and_names_no_run(body: bytes | None) -> None:
    async def talk(one: Stand) -> None:
        assert await one.post(one.address(), body) == 200
        assert await one.heard() == Hint(7, 2, None)

    over_http(talk)


def test_a_body_in_pieces_is_read_whole() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for place in range(0, len(BODY), 5):
            yield BODY[place : place + 5]

    async def talk(one: Stand) -> None:
        assert await one.request("POST", one.address(), data=pieces()) == 200
        assert await one.heard() == Hint(7, 2, "run_1")

    over_http(talk)


def test_a_client_that_waits_for_leave_to_send_gets_it() -> None:
    async def talk(one: Stand) -> None:
        assert await one.request("POST", one.address(), data=BODY, expect100=True) == 200
        assert (await one.heard()).run_id == "run_1"

    over_http(talk)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
def test_other_methods_are_refused(method: str) -> None:
    async def talk(one: Stand) -> None:
        assert await one.request(method, one.address()) == 405
        assert await one.quiet()

    over_http(talk)


def test_what_proves_nothing_is_not_there() -> None:
    async def talk(one: Stand) -> None:
        good = one.address()
        for url in (one.base_url, f"{one.base_url}/", good[:-1], good + "x", good + "/", good.replace("/7.", "/8.")):
            assert await one.post(url) == 404
            assert await one.request("GET", url) == 404
        assert await one.quiet()
        assert await one.post(good + "?a=b") == 200
        assert await one.post(good.replace("/hooks", "")) == 200

    over_http(talk)


@pytest.mark.parametrize("chunked", [False, True])
def test_of_a_body_that_is_too_long_nothing_is_used_but_it_came(chunked: bool) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield BODY[:-1] + b" " * MAX_BODY

    async def talk(one: Stand) -> None:
        data = endless() if chunked else BODY + b" " * MAX_BODY
        with suppress(aiohttp.ClientError):  # answered and closed while it is still sending
            assert await one.request("POST", one.address(), data=data) == 413
        assert await one.heard() == Hint(7, 2, None)

    over_http(talk)


def test_the_longest_body_is_still_read() -> None:
    async def talk(one: Stand) -> None:
        assert await one.post(one.address(), BODY + b" " * (MAX_BODY - len(BODY))) == 200
        assert await one.heard() == Hint(7, 2, "run_1")

    over_http(talk)


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    async def talk(one: Stand) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        reader, writer = await one.raw(one.head("Content-Length: 100") + b"{")
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert loop.time() - began <= IDLE_TIMEOUT + 1
        assert await one.heard() == Hint(7, 2, None)
        writer.close()

    over_http(talk)


@pytest.mark.parametrize("sent", [b"", b"POST /x", b"POST / HTTP/1.1\r\nHost: x\r\n", b"\x16\x03\x01\x02\x00"])
def test_half_a_request_is_cut_off(sent: bytes) -> None:
    async def talk(one: Stand) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        reader, writer = await one.raw(sent)
        await reader.read()
        assert loop.time() - began <= MAX_CONNECTION_AGE + 1
        writer.close()

    over_http(talk)


def test_headers_that_trickle_are_cut_off_in_the_end() -> None:
    async def talk(one: Stand) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        reader, writer = await one.raw(b"POST /x HTTP/1.1\r\n")
        with pytest.raises((ConnectionError, TimeoutError)):
            async with asyncio.timeout(60):
                while not reader.at_eof():
                    writer.write(b"X-A: b\r\n")
                    await writer.drain()
                    await asyncio.sleep(1)
                raise ConnectionError
        assert loop.time() - began <= MAX_CONNECTION_AGE + 2
        writer.close()

    over_http(talk)


@pytest.mark.parametrize("long", ["path", "header"])
def test_long_lines_are_refused(long: str) -> None:
    async def talk(one: Stand) -> None:
        much = "x" * (2 * MAX_LINE)
        path, header = (f"/{much}", "a") if long == "path" else ("/", much)
        reader, writer = await one.raw(f"POST {path} HTTP/1.1\r\nHost: x\r\nX-A: {header}\r\n\r\n".encode())
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.0 400 "), answer
        writer.close()

    over_http(talk)


def test_more_connections_than_there_is_room_for_wait_and_get_their_turn() -> None:
    async def talk(one: Stand) -> None:
        idle = [await one.raw(b"POST /x") for _ in range(MAX_CONNECTIONS)]
        assert await one.post(one.address()) == 200, "when the idle ones are cut off"
        for _, writer in idle:
            writer.close()

    over_http(talk)


def test_ten_thousand_forged_ones_are_heard_by_nobody_and_told_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    senders, connections, poll_now = 50, 10, 20
    forged = senders * connections * poll_now

    async def talk(one: Stand) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()

        async def forge(sender: int) -> None:
            for _ in range(connections):
                request = f"POST /hooks/{sender}.1.{'A' * 22} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}"
                reader, writer = await one.raw(request.encode() * poll_now)
                for _ in range(poll_now):
                    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
                writer.close()

        async with asyncio.TaskGroup() as group:
            for sender in range(senders):
                group.create_task(forge(sender))
        took = loop.time() - began
        assert forged / UNPROVEN_RPS - 1 < took < forged / UNPROVEN_RPS + 5, "their rate is capped"
        assert await one.quiet()
        assert await one.post(one.address()) == 200
        await asyncio.sleep(LOG_INTERVAL)
        assert await one.post(one.base_url) == 404

    with caplog.at_level(logging.INFO, "batchrun"):
        over_http(talk)
    told = [record.getMessage() for record in caplog.records]
    assert [int(line.split()[1].replace(",", "")) for line in told] == [1, forged]


def test_in_a_flood_of_forged_ones_a_real_one_comes_through() -> None:
    async def talk(one: Stand) -> None:
        loop = asyncio.get_running_loop()
        over = asyncio.Event()

        async def forge() -> None:
            while not over.is_set():
                await one.post(one.base_url)

        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(forge())
            await asyncio.sleep(3)
            began = loop.time()
            assert await one.post(one.address()) == 200
            assert loop.time() - began < 1
            over.set()

    over_http(talk)


def test_repetitions_are_answered_at_a_bounded_rate() -> None:
    async def talk(one: Stand) -> None:
        loop = asyncio.get_running_loop()
        assert await one.post(one.address()) == 200
        await one.heard()
        began = loop.time()
        for _ in range(int(UNPROVEN_RPS)):
            assert await one.post(one.address()) == 200
            await one.heard()
        assert loop.time() - began > 0.8

    over_http(talk)


def test_when_nobody_hears_them_callbacks_are_refused_and_may_be_sent_again() -> None:
    async def talk(one: Stand) -> None:
        for row in range(MAX_WAITING):
            assert await one.post(one.address(row)) == 200
        assert await one.post(one.address(MAX_WAITING)) == 503
        await one.heard()
        assert await one.post(one.address(MAX_WAITING)) == 200

    over_http(talk)


def test_nothing_is_left_when_the_job_ends() -> None:
    async def main() -> None:
        async with stand() as one:
            _, writer = await one.raw(one.head("Content-Length: 100"))
        async with stand():
            refuse_taken(one.host, one.port)  # the old one is free again
        writer.close()

    run_virtual(main())


def test_a_port_that_is_taken_is_told_plainly() -> None:
    async def talk(one: Stand) -> None:
        with pytest.raises(InputError, match=f"--callback-listen 127.0.0.1, port {one.port}: cannot listen there"):
            refuse_taken(one.host, one.port)
        with pytest.raises(BaseException, match="cannot listen there"):
            async with open_receiver(one.host, one.port, CallbackAddresses("http://x", b"k"), lambda _body: None):
                pass

    over_http(talk)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7", "::2"])
def test_a_host_that_is_not_ours_is_told_plainly(host: str) -> None:
    with pytest.raises(InputError, match="cannot listen there"):
        refuse_taken(host, free_port())
