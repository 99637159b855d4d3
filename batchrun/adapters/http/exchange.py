"""One request and its answer, over a connection of aiohttp's.

aiohttp makes the connections (names, TLS, proxies) and reads the answers. Its `ClientSession` is left out. What it adds
must not happen here: redirects (the token goes to the service and nowhere else), cookies, second tries of its own. And
most of the CPU time of a small exchange is the session's (see `aiohttp_internals`).
"""

import base64
from collections.abc import Awaitable, Mapping

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from batchrun.adapters.http.aiohttp_internals import HttpConnection, Route
from batchrun.adapters.http.connections import Connections
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
    """What all requests of one method with one token, all with a body or all without, have in common.

    `proxy` is the one that they go through, if any. Target and length are left to fill in.
    """

    def __init__(self, method: str, url: URL, headers: CIMultiDict[str], proxy: URL | None) -> None:
        self.route = Route(method, url, headers, proxy)
        before = f"{method} "
        fields = [f"{name}: {value}" for name, value in self.route.headers.items() if name != LENGTH]
        if proxy is not None and url.scheme == "http":
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
                if connection.is_fresh():
                    break
                # Something came while we waited, before a byte was sent: another one, under the same permit.
                connection.close()
                connection = connections.kept() or await self._connected(connections, envelope)
            else:
                raise aiohttp.ClientConnectionError("the server closes each connection, or speaks, before we ask")
            self.sent = True
            with deadlines.limit(connection):
                answer = await connection.exchange(envelope.fill(target, self.request.body))
                self.got = Response(answer.status, b"", _headers_read(answer.headers), self._clock.now())
                body = await _read(answer.content)
        except BaseException:
            connection.close()
            raise
        if answer.keep_alive:
            connections.keep(connection)
        else:
            connection.close()
        return body

    def _connected(self, connections: Connections, envelope: Envelope) -> Awaitable[HttpConnection]:
        return connections.made(envelope.route, min(self.request.timeout, CONNECT))


def _headers_read(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in HEADERS_READ if name in headers}


async def _read(content: aiohttp.StreamReader) -> bytes:
    if content.is_eof():  # it came in one piece with its head, as most do
        body = content.read_nowait()
        _cap(len(body))
        return body
    parts, size = [], 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        _cap(size)
    return b"".join(parts)


def _cap(size: int) -> None:
    if size > MAX_ANSWER:
        raise aiohttp.ClientPayloadError(f"the answer is longer than {MAX_ANSWER:,} bytes")
