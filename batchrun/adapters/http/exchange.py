"""One request and its response, over a connection of aiohttp.

aiohttp opens the connections (DNS, TLS, proxies) and parses the responses. `ClientSession` is not used. It follows
redirects (but the token must only go to the service), stores cookies and retries by itself. It also takes most of the
CPU time of a small exchange (see `aiohttp_internals`).
"""

import asyncio
import base64
from collections.abc import Mapping

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from batchrun.adapters.http.aiohttp_internals import Route
from batchrun.adapters.http.connections import ConnectionPool
from batchrun.adapters.http.deadlines import Deadlines
from batchrun.adapters.http.streamed import exchange_streamed
from batchrun.ports import HEADERS_READ, Clock, Content, Permit, Request, Response

MAX_RESPONSE_BYTES = 64 * 1024 * 1024
"""Maximum size of a decompressed response. A longer one is cut off and proves nothing."""

CONNECT_TIMEOUT = 30.0
"""Open a connection within at most 30 s, even if the timeout of the request is longer."""

LONG_WAIT, TURNS = 1.0, 5
"""After a wait of more than 1 s for the permit, run the event loop five times, which reads what has arrived: if the
process was stopped meanwhile, it does not know yet that the server has closed the connection."""

MAX_RECONNECTS = 10
"""Replace at most 10 unusable connections in a row, then give up the request unsent."""

CONTENT_LENGTH = "Content-Length"


class RequestTemplate:
    """The common bytes of all requests with the same method and token, and either all with or all without a body.

    `render` inserts the target and the body. `proxy`: the proxy of these requests, if any.
    """

    def __init__(self, method: str, url: URL, headers: CIMultiDict[str], proxy: URL | None) -> None:
        self.route = Route(method, url, headers, proxy)
        prefix = f"{method} "
        fields = [f"{name}: {value}" for name, value in self.route.headers.items() if name != CONTENT_LENGTH]
        if proxy is not None and url.scheme == "http":
            prefix += str(url.origin())  # a proxy for http needs the absolute URL
            fields += _proxy_authorization(proxy)
        self._prefix = prefix.encode("ascii")
        self._suffix = "\r\n".join([" HTTP/1.1", *fields, ""]).encode("ascii")

    def render(self, target: str, body: bytes | None) -> bytes:
        """The bytes of a request. `target`: path and query, percent-encoded."""
        path = target.encode("ascii")
        if body is None:
            return b"%b%b%b\r\n" % (self._prefix, path, self._suffix)
        return b"%b%b%bContent-Length: %d\r\n\r\n%b" % (self._prefix, path, self._suffix, len(body), body)

    def render_head(self, target: str, content: Content) -> bytes:
        """The bytes of a request without a body, up to and including those before its `content`."""
        fields = f"Content-Type: {content.type}\r\nContent-Length: {content.size}\r\n\r\n"
        return b"%b%b%b%b" % (self._prefix, target.encode("ascii"), self._suffix, fields.encode("ascii"))


def _proxy_authorization(proxy: URL) -> list[str]:
    if proxy.user is None:
        return []
    text = f"{proxy.user}:{proxy.password or ''}"
    return [f"Proxy-Authorization: Basic {base64.b64encode(text.encode()).decode()}"]


class Exchange:
    """One request in progress."""

    __slots__ = ("_clock", "_permit", "head", "request", "sent")

    def __init__(self, request: Request, permit: Permit, clock: Clock) -> None:
        self.request = request
        self._permit = permit
        self._clock = clock
        self.sent = False
        """Whether the service may have received the request."""
        self.head: Response | None = None
        """Status and headers of the response, once received."""

    async def run(
        self,
        connections: ConnectionPool,
        connect_deadlines: Deadlines,
        deadlines: Deadlines,
        template: RequestTemplate,
        target: str,
    ) -> bytes:
        """Send the request after its permit, and return the body of the response. The timeout starts with the permit.

        Raises TimeoutError, OSError, ValueError, aiohttp's errors and those of its parser.
        """
        connection = connections.take_idle() or await connections.open(template.route, connect_deadlines)
        try:
            await self._wait_for_permit()
            for _ in range(MAX_RECONNECTS):
                if await connection.is_fresh():
                    break
                # The server sent data or closed while we waited for the permit. No byte was sent, so the permit
                # is valid for another connection.
                connection.close()
                connection = connections.take_idle() or await connections.open(template.route, connect_deadlines)
            else:
                raise aiohttp.ClientConnectionError("the server closes each connection, or speaks, before we ask")
            self.sent = True
            with deadlines.deadline(connection.abort):
                if (streamed := self.request.content) is None:
                    response = await connection.exchange(template.render(target, self.request.body))
                else:
                    head = template.render_head(target, streamed)
                    response = await exchange_streamed(connection, head, streamed.chunks())
                self.head = Response(response.status, b"", _headers_read(response.headers), self._clock.now())
                body = await _read_body(response.content)
        except BaseException:
            connection.close()
            raise
        if response.keep_alive:
            connections.release(connection)
        else:
            connection.close()
        return body

    async def _wait_for_permit(self) -> None:
        now = asyncio.get_running_loop().time
        asked_at = now()
        await self._permit()
        if now() - asked_at > LONG_WAIT:
            for _ in range(TURNS):
                await asyncio.sleep(0)


def _headers_read(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in HEADERS_READ if name in headers}


async def _read_body(content: aiohttp.StreamReader) -> bytes:
    if content.is_eof():  # usually the body arrives together with the head
        body = content.read_nowait()
        _refuse_too_long(len(body))
        return body
    parts, size = [], 0
    async for part in content.iter_any():
        parts.append(part)
        size += len(part)
        _refuse_too_long(size)
    return b"".join(parts)


def _refuse_too_long(size: int) -> None:
    if size > MAX_RESPONSE_BYTES:
        raise aiohttp.ClientPayloadError(f"the answer is longer than {MAX_RESPONSE_BYTES:,} bytes")
