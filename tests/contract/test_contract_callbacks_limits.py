"""Requests that are slow, too long, too many or forged cost the callback receiver little."""

import asyncio
import logging
from contextlib import suppress

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
)
from batchrun.ports import Hint
from tests.contract.callback_stand import BODY, Stand, over_http


@pytest.mark.parametrize("chunked", [False, True])
def test_of_a_body_that_is_too_long_nothing_is_used_but_it_came(chunked: bool) -> None:
    async def talk(one: Stand) -> None:
        body = BODY + b" " * MAX_BODY
        head = one.head("Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}")
        reader, writer = await one.raw(head + (b"%x\r\n%s\r\n" % (len(body), body) if chunked else body))
        with suppress(ConnectionError):  # it may be closed while the body is still being sent
            assert (await reader.read()).startswith(b"HTTP/1.1 413 ")
        assert await one.heard() == Hint(7, 2, None)
        writer.close()

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


def test_ten_thousand_forged_callbacks_are_ignored_and_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
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


def test_callbacks_beyond_the_queue_are_refused_and_may_be_sent_again() -> None:
    async def talk(one: Stand) -> None:
        for row in range(MAX_WAITING):
            assert await one.post(one.address(row)) == 200
        assert await one.post(one.address(MAX_WAITING)) == 503
        await one.heard()
        assert await one.post(one.address(MAX_WAITING)) == 200

    over_http(talk)
