"""A loopback server whose tests write the bytes of its answers, and a transport that sends to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.transport import open_transport
from batchrun.ports import Request, Response, TransportError
from tests.support.virtual import StillClock, run_virtual

NOW = 1_760_000_000_000
SECRET = "pat_s3cr3t"
BODY = b'{"workflow_id":"w"}'
POST = Request("POST", "/v1/workflow/run", BODY, 5.0)
GET = Request("GET", "/v1/workflow/history/a%2Fb", None, 5.0)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


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
    patience = 1000.0 if tls else None  # a server is not stopped with its client, though its clock is the same here
    listener = await asyncio.start_server(server.connected, "127.0.0.1", 0, ssl=tls, ssl_handshake_timeout=patience)
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
    async with open_transport(base, token or Token(SECRET), StillClock(NOW)) as transport:
        try:
            return await transport.send(request, permit)
        except TransportError as error:
            return error


Behave = Callable[[Server, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def closes_without_an_answer(server: Server, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await server.request(reader)


async def hangs(server: Server, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await server.request(reader)
    await reader.read()


def cut(answer: bytes) -> Behave:
    found: Behave = answering(answer, keep_alive=False)
    return found


def unauthorized_unless(token: str) -> Behave:
    async def behave(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen = await server.request(reader)
            good = seen.headers["authorization"] == f"Bearer {token}"
            writer.write(OK if good else OK.replace(b"200 OK", b"401 No"))

    return behave
