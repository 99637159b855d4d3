"""The memory for the bodies of answers: never more than the limit, and every answer arrives all the same."""

import asyncio
import gzip
import random
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from yarl import URL

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.memory import SMALL_BYTES, BodyMemory, ResponseMemory
from batchrun.adapters.http.transport import HttpTransport
from batchrun.ports import Response, TransportError
from tests.contract.raw_server import GET, POST, SECRET, Behave, Server, answering, permit, served, virtual
from tests.support.virtual import StillClock

LARGEST = 1 << 20
LARGE = bytes(LARGEST - 1000)
HALF = len(LARGE) // 2


def plain(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def chunked(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)


def encoded(body: bytes, encoding: str = "gzip", compress: Callable[[bytes], bytes] = gzip.compress) -> bytes:
    packed = compress(body)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {encoding}\r\nContent-Length: {len(packed)}\r\n\r\n"
    return head.encode() + packed


class WatchedMemory(ResponseMemory):
    """Knows the most that was ever held."""

    most = 0

    def _resize(self, body: BodyMemory, size: int) -> None:
        super()._resize(body, size)
        self.most = max(self.most, self.held)


@asynccontextmanager
async def asking(behave: Behave, memory: ResponseMemory) -> AsyncIterator[tuple[Server, HttpTransport]]:
    async with served(behave) as (server, base), aiohttp.TCPConnector(limit=0) as connector:
        transport = HttpTransport(connector, URL(base), Token(SECRET), StillClock(), memory=memory)
        yield server, transport
        transport.connections.close()


async def length(transport: HttpTransport) -> int:
    """The length of an answer, which is dropped."""
    return len((await transport.send(POST, permit)).body)


@pytest.mark.parametrize("limit", [LARGEST, 3 * LARGEST, 100 * LARGEST])
@pytest.mark.parametrize("answer", [plain(LARGE), chunked(LARGE), encoded(LARGE)], ids=["plain", "chunked", "gzip"])
def test_all_large_answers_arrive_and_never_more_than_the_limit_is_held(answer: bytes, limit: int) -> None:
    async def main() -> None:
        memory = WatchedMemory(limit, LARGEST)
        async with asking(answering(answer), memory) as (server, transport):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(length(transport)) for _ in range(30)]
            assert {task.result() for task in tasks} == {len(LARGE)}
            assert len(server.seen) == 30
            assert len(LARGE) <= memory.most <= limit
            await asyncio.sleep(0)
            assert memory.held == 0

    virtual(main())


def test_bodies_of_any_size_that_come_in_any_pieces_are_all_read() -> None:
    """None of them keeps all others from being finished."""

    async def main() -> None:
        chance, sent = random.Random(1), list[int]()

        async def behave(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await server.request(reader)
                size = chance.choice([10, SMALL_BYTES, SMALL_BYTES + 1, HALF, chance.randint(1, LARGEST), LARGEST])
                sent.append(size)
                answer = chance.choice([plain, chunked, encoded])(bytes(size))
                while answer:
                    part = chance.randint(1, len(answer))
                    writer.write(answer[:part])
                    await writer.drain()
                    answer = answer[part:]
                    await asyncio.sleep(chance.choice([0, 0.01, 0.1]))

        memory = WatchedMemory(2 * LARGEST, LARGEST)
        async with asking(behave, memory) as (_, transport):
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(length(transport)) for _ in range(90)]
            assert sorted(task.result() for task in tasks) == sorted(sent)
        await asyncio.sleep(0)
        assert memory.most <= 2 * LARGEST
        assert memory.held == 0

    virtual(main())


async def large_to_a_post_small_to_a_poll(
    server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    while True:
        is_poll = (await server.request(reader)).line.startswith("GET")
        writer.write(encoded(bytes(SMALL_BYTES - 1)) if is_poll else plain(LARGE))


def test_waiting_for_memory_counts_against_no_deadline_and_small_answers_do_not_wait() -> None:
    async def main() -> None:
        memory = ResponseMemory(LARGEST, LARGEST)
        async with asking(large_to_a_post_small_to_a_poll, memory) as (server, transport):
            all_of_it = BodyMemory(memory)
            assert all_of_it.grow(LARGEST)
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(length(transport)) for _ in range(3)]
                for _ in range(60):
                    await asyncio.sleep(1)
                    assert len((await transport.send(GET, permit)).body) == SMALL_BYTES - 1
                assert not any(task.done() for task in tasks)
                all_of_it.release()
            assert {task.result() for task in tasks} == {len(LARGE)}
            assert len(server.seen) == 63

    virtual(main())


async def sends_half(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.request(reader)
    writer.write(plain(LARGE)[:HALF])
    await reader.read()


async def cuts_half_off(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await server.request(reader)
    writer.write(plain(LARGE)[:HALF])


@pytest.mark.parametrize(
    "behave",
    [sends_half, cuts_half_off, answering(plain(LARGE + LARGE)), answering(encoded(LARGE + LARGE))],
    ids=["late", "cut off", "too long", "too long when decompressed"],
)
def test_a_request_that_fails_returns_its_memory(behave: Behave) -> None:
    async def main() -> None:
        memory = WatchedMemory(2 * LARGEST, LARGEST)
        async with asking(behave, memory) as (_, transport):
            for _ in range(5):
                with pytest.raises(TransportError):
                    await transport.send(POST, permit)
                assert memory.held == 0
        assert memory.most >= HALF

    virtual(main())


@pytest.mark.parametrize("behave", [sends_half, answering(plain(LARGE))], ids=["while it is read", "while it waits"])
def test_a_request_that_is_cancelled_returns_its_memory(behave: Behave) -> None:
    async def main() -> None:
        memory = ResponseMemory(2 * LARGEST, LARGEST)
        async with asking(behave, memory) as (_, transport):
            kept = BodyMemory(memory)
            await kept.hand_over(LARGEST)  # so that no other body is passed on
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(length(transport)) for _ in range(5)]
                await asyncio.sleep(1)
                assert memory.held > LARGEST
                for task in tasks:
                    task.cancel()
            assert memory.held == LARGEST
            kept.release()
        async with asking(answering(plain(LARGE)), memory) as (_, transport):
            assert await length(transport) == len(LARGE)

    virtual(main())


def test_answers_are_passed_on_only_as_earlier_ones_are_dropped() -> None:
    """They are parsed and recorded then, which takes several times their size."""

    async def main() -> None:
        memory, passed_on = ResponseMemory(100 * LARGEST, LARGEST), list[Response]()
        async with asking(answering(plain(LARGE)), memory) as (_, transport), asyncio.TaskGroup() as group:

            async def keep() -> None:
                passed_on.append(await transport.send(POST, permit))

            for _ in range(3):
                group.create_task(keep())
            for _ in range(3):
                await asyncio.sleep(100)
                assert len(passed_on) == 1
                passed_on.clear()

    virtual(main())


def bare_deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("X-GZip", gzip.compress),
        ("gzip", lambda body: gzip.compress(body[:7]) + gzip.compress(body[7:])),
        ("deflate", zlib.compress),
        ("deflate", bare_deflate),
        ("identity", bytes),
        ("utf-8", bytes),
    ],
)
@pytest.mark.parametrize("size", [0, 100, SMALL_BYTES, 5 * SMALL_BYTES])
def test_an_answer_is_decompressed(encoding: str, compress: Callable[[bytes], bytes], size: int) -> None:
    async def main() -> None:
        body = random.Random(1).randbytes(size)
        async with asking(answering(encoded(body, encoding, compress)), ResponseMemory()) as (server, transport):
            for _ in range(2):
                assert (await transport.send(POST, permit)).body == body
            assert server.connections == 1
            assert server.seen[0].headers["accept-encoding"] == "gzip, deflate"

    virtual(main())


@pytest.mark.parametrize("encoding", ["br", "zstd"])
def test_an_encoding_that_was_not_asked_for_is_no_answer(encoding: str) -> None:
    async def main() -> None:
        async with asking(answering(encoded(b"{}", encoding, bytes)), ResponseMemory()) as (_, transport):
            with pytest.raises(TransportError, match=f"compressed with {encoding}"):
                await transport.send(POST, permit)

    virtual(main())
