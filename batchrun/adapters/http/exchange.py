"""One request and its response, over a connection of aiohttp.

aiohttp opens the connections (DNS, TLS, proxies) and parses the responses. `ClientSession` is not used. It follows
redirects (but the token must only go to the service), stores cookies and retries by itself. It also takes most of the
CPU time of a small exchange (see `aiohttp_internals`).
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

import aiohttp
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from batchrun.adapters.http.aiohttp_internals import Route
from batchrun.adapters.http.bodies import ACCEPTED_ENCODINGS, get_memory, read_body
from batchrun.adapters.http.connections import ConnectionPool
from batchrun.adapters.http.deadlines import Deadlines
from batchrun.adapters.http.memory import SMALL_BYTES, BodyMemory, ResponseMemory
from batchrun.adapters.http.proxies import Proxy
from batchrun.adapters.http.streamed import exchange_streamed
from batchrun.ports import HEADERS_READ, Clock, Content, Permit, Request, Response

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

    def __init__(self, method: str, url: URL, headers: CIMultiDict[str], proxy: Proxy | None) -> None:
        headers.setdefault("Accept-Encoding", ACCEPTED_ENCODINGS)
        authorization = CIMultiDict[str]()
        if proxy is not None and proxy.authorization is not None:
            authorization["Proxy-Authorization"] = proxy.authorization
        self.route = Route(method, url, headers, None if proxy is None else proxy.url, authorization)
        prefix = f"{method} "
        fields = [f"{name}: {value}" for name, value in self.route.headers.items() if name != CONTENT_LENGTH]
        if proxy is not None and url.scheme == "http":
            prefix += str(url.origin())  # a proxy for http needs the absolute URL
            fields += [f"{name}: {value}" for name, value in authorization.items()]
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


class Marks(Protocol):
    """Is notified how far the POST of each row has come."""

    def sent(self, row: int) -> None:
        """The POST of `row` is about to be handed to the socket."""
        ...

    def not_accepted(self, row: int) -> None:
        """An answer proved that the service did not accept the POST of `row`, which may be sent again."""
        ...


class Exchange:
    """One request in progress."""

    __slots__ = ("_all_memory", "_clock", "_marks", "_permit", "head", "memory", "request", "sent")

    def __init__(
        self, request: Request, permit: Permit, clock: Clock, memory: ResponseMemory, marks: Marks | None = None
    ) -> None:
        self.request = request
        self._permit = permit
        self._clock = clock
        self._all_memory = memory
        self._marks = marks
        self.memory: BodyMemory | None = None
        """The memory of the body, unless it is small. Whoever gets the body releases it."""
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
            asked_at = deadlines.now()
            await self._permit()
            if deadlines.now() - asked_at > LONG_WAIT:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
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
            with deadlines.deadline(connection.abort) as deadline:
                if (streamed := self.request.content) is None:
                    rendered = template.render(target, self.request.body)
                    if self._marks is not None and self.request.row is not None:
                        self._marks.sent(self.request.row)
                    response = await connection.exchange(rendered)
                else:
                    head = template.render_head(target, streamed)
                    response = await exchange_streamed(connection, head, streamed.chunks())
                self.head = Response(response.status, b"", _headers_read(response.headers), self._clock.now())
                content, encoding = response.content, response.headers.get("Content-Encoding")
                if encoding is None and content.is_eof():  # usually the body arrives together with the head
                    body = content.read_nowait()
                    if len(body) > SMALL_BYTES:
                        self.memory = BodyMemory(self._all_memory)
                        await get_memory(self.memory, len(body), deadline)
                else:
                    self.memory = BodyMemory(self._all_memory)
                    body = await read_body(content, encoding or "", self.memory, self._all_memory.largest, deadline)
        except BaseException:
            connection.close()
            self._release_memory()
            raise
        if response.keep_alive:
            connections.release(connection)
        else:
            connection.close()
        if self.memory is not None:
            await self._hand_over(self.memory, len(body))
        return body

    async def _hand_over(self, memory: BodyMemory, size: int) -> None:
        if size <= SMALL_BYTES:
            self._release_memory()
            return
        try:
            await memory.hand_over(size)
        except BaseException:
            self._release_memory()
            raise

    def _release_memory(self) -> None:
        if self.memory is not None:
            self.memory.release()
            self.memory = None


def _headers_read(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name: headers[name] for name in HEADERS_READ if name in headers}
    if "retry-after" in found and isinstance(headers, MultiMapping):
        found["retry-after"] = "\n".join(headers.getall("retry-after"))
    return found
