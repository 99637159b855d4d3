"""Uploads over real loopback sockets: the body is streamed, and the server may answer before it has all of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from batchrun.adapters.credentials.token import Token, load_token
from batchrun.adapters.http.transport import open_transport
from batchrun.dialects.v1 import V1
from batchrun.ports import Request, Response, TransportError, UnusableFileError
from tests.contract.raw_server import (
    OK,
    POST,
    SECRET,
    Server,
    answering,
    permit,
    served,
    unauthorized_unless,
)
from tests.support.virtual import StillClock, run_virtual

PIECE = bytes(range(256)) * 256
LARGE = 500
"""Pieces of a body that does not fit into the buffers of a connection."""
REFUSED = b"HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\n\r\nbig"


class Pieces:
    """A body of `count` pieces. `yielded` counts those that were taken."""

    type = "multipart/form-data; boundary=b"

    def __init__(self, count: int, before_last: Callable[[], None] = lambda: None) -> None:
        self.size = count * len(PIECE)
        self.yielded = 0
        self._count = count
        self._before_last = before_last

    async def chunks(self) -> AsyncIterator[bytes]:
        for number in range(self._count):
            if number == self._count - 1:
                self._before_last()
            self.yielded += 1
            yield PIECE


def upload(body: Pieces, timeout: float = 30.0) -> Request:
    return Request("POST", "/v1/files/upload", None, timeout, body)


async def outcome(base: str, *requests: Request, token: Token | None = None) -> list[Response | TransportError]:
    found: list[Response | TransportError] = []
    async with open_transport(base, token or Token(SECRET), StillClock()) as transport:
        for request in requests:
            try:
                found.append(await transport.send(request, permit))
            except TransportError as error:
                found.append(error)
    return found


def test_an_upload_as_the_server_sees_it() -> None:
    async def main() -> None:
        async with served(answering(OK)) as (server, base):
            (got,) = await outcome(base, upload(Pieces(3)))
        assert isinstance(got, Response)
        (seen,) = server.seen
        assert seen.line == "POST /v1/files/upload HTTP/1.1"
        assert seen.body == PIECE * 3
        assert seen.headers["authorization"] == f"Bearer {SECRET}"
        assert seen.headers["content-type"] == Pieces.type
        assert "transfer-encoding" not in seen.headers

    run_virtual(main())


def test_the_head_names_type_and_length_once() -> None:
    heads: list[bytes] = []

    async def behave(_server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append((await reader.readuntil(b"\r\n\r\n")).lower())
        writer.write(OK)

    async def main() -> None:
        async with served(behave) as (_, base):
            await outcome(base, upload(Pieces(1)))
        assert heads[0].count(b"content-type:") == heads[0].count(b"content-length:") == 1

    run_virtual(main())


def test_one_connection_carries_uploads_and_submissions() -> None:
    async def main() -> None:
        async with served(answering(OK)) as (server, base):
            got = await outcome(base, upload(Pieces(LARGE)), POST, upload(Pieces(1)))
        assert all(isinstance(one, Response) and one.status == 200 for one in got)
        assert (server.connections, len(server.seen)) == (1, 3)

    run_virtual(main())


def test_with_a_renewed_token_the_whole_body_is_sent_again(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "token"
        path.write_text("old")
        token = load_token(path, None, None, V1())
        path.write_text("new")
        async with served(unauthorized_unless("new")) as (server, base):
            (got,) = await outcome(base, upload(Pieces(2)), token=token)
        assert isinstance(got, Response)
        assert got.status == 200
        assert [seen.body for seen in server.seen] == [PIECE * 2] * 2

    run_virtual(main())


@pytest.mark.parametrize("closes", [False, True])
def test_an_answer_before_the_end_of_the_body_is_taken_and_the_rest_is_not_sent(closes: bool) -> None:
    async def behave(_server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(REFUSED)
        await writer.drain()
        if closes:
            writer.write_eof()
        await asyncio.sleep(20)

    async def main() -> None:
        body = Pieces(LARGE)
        async with served(behave) as (server, base):
            got, _ = await outcome(base, upload(body), upload(Pieces(1)))
        assert isinstance(got, Response)
        assert (got.status, got.body) == (413, b"big")
        assert body.yielded < LARGE
        assert server.connections == 2, "the rest of a body must not be taken for the next request"

    run_virtual(main())


def test_no_more_is_read_of_a_file_than_the_server_takes() -> None:
    async def behave(_server: Server, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        body = Pieces(LARGE)
        async with served(behave) as (_, base):
            (got,) = await outcome(base, upload(body, 5.0))
        assert isinstance(got, TransportError)
        assert (got.sent, got.timed_out) == (True, True)
        assert body.yielded < LARGE

    run_virtual(main())


def test_a_file_that_turns_out_to_be_unusable_never_arrives_whole() -> None:
    received = bytearray()

    async def behave(_server: Server, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            received.extend(data)

    def changed() -> None:
        raise UnusableFileError("changed")

    async def main() -> None:
        async with served(behave) as (server, base):
            with pytest.raises(UnusableFileError, match="changed"):
                await outcome(base, upload(Pieces(2, changed)))
        assert server.connections == 1
        assert len(received) < 2 * len(PIECE)

    run_virtual(main())


def test_a_connection_that_is_cut_is_no_answer() -> None:
    async def behave(_server: Server, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)

    async def main() -> None:
        async with served(behave) as (_, base):
            (got,) = await outcome(base, upload(Pieces(LARGE)))
        assert isinstance(got, TransportError)
        assert got.sent

    run_virtual(main())
