"""The transport over aiohttp.

After a failure the caller must know whether the service may have received the request. Exception classes do not show
this: `ClientConnectorError` (never connected) is a subclass of `ClientOSError` (a reset). Only the permit shows it. It
is requested when the connection is open, and the bytes are sent after it.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeAlias

import aiohttp
from yarl import URL

from batchrun.adapters.credentials.secret import Secret
from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.aiohttp_internals import ParserError
from batchrun.adapters.http.connections import ConnectionPool
from batchrun.adapters.http.deadlines import Deadlines
from batchrun.adapters.http.exchange import CONNECT_TIMEOUT, Exchange, Marks, RequestTemplate
from batchrun.adapters.http.failures import explain, is_configuration
from batchrun.adapters.http.memory import SMALL_BYTES, ResponseMemory
from batchrun.adapters.http.proxies import address_of, proxy_for
from batchrun.adapters.http.sockets import keepalive_socket, tls_context
from batchrun.domain.frozen import copied
from batchrun.domain.lenient_json import in_utf8
from batchrun.ports import Clock, Permit, Request, Response, TransportError

log = logging.getLogger("batchrun")

RefusesToken: TypeAlias = Callable[[int, bytes], bool]
"""Whether a response, by its status and body, refuses the token (`Dialect.refuses_token`)."""


def is_unauthorized(status: int, body: bytes) -> bool:  # noqa: ARG001 - see `RefusesToken`
    """Whether the status refuses the token (RFC 9110 §15.5.2)."""
    return status == 401


class HttpTransport:
    """Sends requests to one service; opened by `open_transport`."""

    def __init__(
        self,
        connector: aiohttp.BaseConnector,
        base_url: URL,
        token: Token,
        clock: Clock,
        refuses_token: RefusesToken = is_unauthorized,
        *,
        memory: ResponseMemory | None = None,
        marks: Marks | None = None,
    ) -> None:
        self.connections = ConnectionPool(connector)
        self._token = token
        self._clock = clock
        self._refuses_token = refuses_token
        self._memory = memory or ResponseMemory()
        self._marks = marks
        self._proxy = proxy_for(base_url)
        self.base_url = str(base_url)
        """The address of the service."""
        self._root = URL(str(base_url).rstrip("/"))
        self._has_answered = False
        self._path_prefix = self._root.raw_path.rstrip("/")
        self._templates: dict[tuple[str, bool], RequestTemplate] = {}
        self._templates_secret: Secret | None = None
        self._deadlines_by_timeout: dict[float, Deadlines] = {}

    async def send(self, request: Request, permit: Permit) -> Response:
        """Send the request once. If its token is refused, renew the token if possible and send it once more."""
        used = await self._token.current()
        response = await self._send(Exchange(request, permit, self._clock, self._memory, self._marks), used)
        if not self._is_token_refused(response):
            return response
        response = copied(response, body=response.body[:SMALL_BYTES])  # it must not hold memory that the next one needs
        if self._marks is not None and request.row is not None:
            self._marks.not_accepted(request.row)
        retry = Exchange(request, permit, self._clock, self._memory, self._marks)
        try:
            if await self._token.renew(used):
                return await self._send(retry, self._token.secret)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if retry.sent or task is None:
                raise
            # The job stops while we wait for a token or a permit. The refusal proves that no run was created, so it is
            # returned.
            task.uncancel()
        return copied(response, token_error=self._token.trouble)

    def _is_token_refused(self, response: Response) -> bool:
        try:
            return self._refuses_token(response.status, response.body)
        except Exception:
            log.info("a parser failed", exc_info=True)
            return is_unauthorized(response.status, response.body)

    async def _send(self, exchange: Exchange, secret: Secret) -> Response:
        request, timed_out, permanent = exchange.request, False, False
        template, connect_timeout = self._template(request, secret), min(request.timeout, CONNECT_TIMEOUT)
        deadlines = self._deadlines(connect_timeout), self._deadlines(request.timeout)
        arguments = (self.connections, *deadlines, template, self._path_prefix + request.path)
        try:
            try:
                body = await exchange.run(*arguments)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # A service may close an idle connection just as it is reused. A poll is safe to repeat.
                if request.method != "GET" or not exchange.sent or exchange.head is not None:
                    raise
                body = await exchange.run(*arguments)
            assert exchange.head is not None
            self._has_answered = True
            self._raise_proxy_refusal(exchange)
            response = self._masked(secret, exchange.head, body)
            if exchange.memory is not None:
                exchange.memory.release_with(response)
            return response
        except TimeoutError:
            timed_out = exchange.sent
            seconds = request.timeout if timed_out else connect_timeout
            problem = f"no {'answer' if timed_out else 'connection'} within {seconds:g} s"
            if self._proxy is not None:
                problem += f" through the proxy {self._proxy}"
        except (aiohttp.ClientError, ParserError, OSError, ValueError) as error:
            # Parsers raise ValueError for some malformed responses.
            permanent = is_configuration(error)
            mask = partial(self._masked_text, secret)
            problem = explain(error, self._root, self._proxy, self._has_answered, mask)
        head = exchange.head
        self._raise_proxy_refusal(exchange)
        if head is not None and (400 <= head.status < 500 or head.status == 503):
            return self._masked(secret, head, b"")  # the status alone proves the refusal, even without the body
        raise TransportError(problem, sent=exchange.sent, timed_out=timed_out, permanent=permanent)

    def _raise_proxy_refusal(self, exchange: Exchange) -> None:
        """Raise `TransportError` if the answer is that of the proxy, which has not passed the request on (RFC 9110)."""
        head = exchange.head
        if head is None or head.status != 407 or self._proxy is None or self._root.scheme != "http":
            return
        if exchange.memory is not None:
            exchange.memory.release()
        raise TransportError(self._proxy.refusal(head.status), sent=False)

    def _masked(self, secret: Secret, head: Response, body: bytes) -> Response:
        """The response with its body, without the token in it or in the headers, or the password of the proxy."""
        refusal = head.status >= 400
        headers = {name: self._masked_text(secret, value, refusal=refusal) for name, value in head.headers.items()}
        return copied(head, body=self._masked_bytes(secret, in_utf8(body), refusal=refusal), headers=headers)

    def _masked_text(self, secret: Secret, text: str, *, refusal: bool = True) -> str:
        return self._masked_bytes(secret, text.encode("utf-8", "backslashreplace"), refusal=refusal).decode()

    def _masked_bytes(self, secret: Secret, content: bytes, *, refusal: bool) -> bytes:
        content = secret.masked(content, refusal=refusal)
        # Whether the service has answered or the proxy is not always known.
        return content if self._proxy is None else self._proxy.masked(content, refusal=refusal)

    def _deadlines(self, seconds: float) -> Deadlines:
        found = self._deadlines_by_timeout.get(seconds)
        if found is None:
            found = self._deadlines_by_timeout[seconds] = Deadlines(seconds)
        return found

    def _template(self, request: Request, secret: Secret) -> RequestTemplate:
        if secret is not self._templates_secret:
            self._templates, self._templates_secret = {}, secret
        key = (request.method, request.body is not None)
        found = self._templates.get(key)
        if found is None:
            found = RequestTemplate(
                request.method, self._root, secret.headers(json=request.body is not None), self._proxy
            )
            self._templates[key] = found
        return found


@asynccontextmanager
async def open_transport(
    base_url: str,
    token: Token,
    clock: Clock,
    ca_file: str | None = None,
    *,
    refuses_token: RefusesToken = is_unauthorized,
    marks: Marks | None = None,
) -> AsyncIterator[HttpTransport]:
    """Open a transport with its own connections and no limit on their number."""
    async with aiohttp.TCPConnector(limit=0, ssl=tls_context(ca_file), socket_factory=keepalive_socket) as connector:
        transport = HttpTransport(connector, address_of(base_url), token, clock, refuses_token, marks=marks)
        try:
            yield transport
        finally:
            transport.connections.close()
