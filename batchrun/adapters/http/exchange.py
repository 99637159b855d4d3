"""One request and its answer, over a connection of aiohttp's.

aiohttp makes the connections (names, TLS, proxies) and reads the answers. Its `ClientSession` is left out. What it adds
must not happen here: redirects (the token goes to the service and nowhere else), cookies, second tries of its own; what
is needed here it has no room for: a permit between the connection and the first byte. And most of the CPU time of a
small exchange is the session's.
"""

import asyncio
import base64
from collections.abc import Awaitable

import aiohttp
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from multidict import CIMultiDict
from yarl import URL

from batchrun.adapters.http.connections import Connections, is_fresh
from batchrun.adapters.http.deadlines import Deadlines
from batchrun.ports import HEADERS_READ, Clock, Permit, Request, Response

MAX_ANSWER = 64 * 1024 * 1024
"""Bytes of one answer, decompressed; a longer one is cut off and proves nothing."""

CONNECT = 30.0
"""Seconds for a connection, however long the answer may take."""

RENEWALS = 10
"""So many connections may turn out to be of no use, one after the other, before a request is given up unsent."""

LENGTH = "Content-Length"


class Envelope:
    """What all requests of one method with one token have in common.

    `proxy` is the one that they go through, if any. Target and length are left to fill in.
    """

    def __init__(self, method: str, url: URL, headers: CIMultiDict[str], proxy: URL | None) -> None:
        self.route = aiohttp.ClientRequest(method, url, headers=headers, proxy=proxy, loop=asyncio.get_running_loop())
        """Tells aiohttp which connection is wanted."""
        before = f"{method} "
        fields = [f"{name}: {value}" for name, value in self.route.headers.items() if name != LENGTH]
        if proxy is not None and not self.route.is_ssl():
            before += str(url.origin())  # the proxy is to read where it goes
            fields += _password(proxy)
        self._before = before.encode("ascii")
        self._after = "\r\n".join([" HTTP/1.1", *fields, ""]).encode("ascii")

    def fill(self, target: str, body: bytes | None) -> bytes:
        """The bytes of a request. `target`: path and query, encoded."""
        path = target.encode("ascii")
        if body is None:
            return b"%b%b%b\r\n" % (self._before, path, self._after)
        return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (self._before, path, self._after, len(body), body)


def _password(proxy: URL) -> list[str]:
    if proxy.user is None:
        return []
    text = f"{proxy.user}:{proxy.password or ''}"
    return [f"Proxy-Authorization: Basic {base64.b64encode(text.encode()).decode()}"]


class Exchange:
    """One request on its way."""

    __slots__ = ("_clock", "_permit", "got", "request", "sent")

    def __init__(self, request: Request, permit: Permit, clock: Clock) -> None:
        self.request = request
        self._permit = permit
        self._clock = clock
        self.sent = False
        """Whether the service may have it."""
        self.got: Response | None = None
        """The head of its answer."""

    async def run(self, connections: Connections, deadlines: Deadlines, envelope: Envelope, target: str) -> bytes:
        """The body of the answer. From the permit on the request may have been sent, and its time begins (`deadlines`).

        Raises TimeoutError, OSError, ValueError, aiohttp's errors and those of its parser.
        """
        connection = connections.kept() or await self._connected(connections, envelope)
        try:
            await self._permit()
            for _ in range(RENEWALS):
                if is_fresh(connection):
                    break
                # Something came while we waited, before a byte was sent: another one, under the same permit.
                connection.close()
                connection = connections.kept() or await self._connected(connections, envelope)
            else:
                raise aiohttp.ClientConnectionError("the server closes each connection, or speaks, before we ask")
            self.sent = True
            with deadlines.limit(connection):
                body, again = await self._ask(connection, envelope.fill(target, self.request.body))
        except BaseException:
            connection.close()
            raise
        if again:
            connections.keep(connection)
        else:
            connection.close()
        return body

    def _connected(self, connections: Connections, envelope: Envelope) -> Awaitable[Connection]:
        return connections.made(envelope.route, min(self.request.timeout, CONNECT))

    async def _ask(self, connection: Connection, data: bytes) -> tuple[bytes, bool]:
        """The body of the answer, and whether the connection may be used again."""
        protocol, transport = connection.protocol, connection.transport
        assert protocol is not None
        assert transport is not None
        protocol.set_response_params(read_until_eof=True)
        transport.write(data)
        message, content = await protocol.read()
        while 100 <= message.code < 200:
            message, content = await protocol.read()
        self.got = Response(message.code, b"", _headers_read(message), self._clock.now())
        if content.is_eof() and content.total_bytes <= MAX_ANSWER:
            return content.read_nowait(), not message.should_close  # it came in one piece with its head, as most do
        return await _read(content), not message.should_close


def _headers_read(message: RawResponseMessage) -> dict[str, str]:
    headers = message.headers
    return {name: headers[name] for name in HEADERS_READ if name in headers}


async def _read(content: aiohttp.StreamReader) -> bytes:
    parts, size = [], 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MAX_ANSWER:
            raise aiohttp.ClientPayloadError(f"the answer is longer than {MAX_ANSWER:,} bytes")
    return b"".join(parts)
