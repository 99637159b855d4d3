"""The transport over aiohttp.

What matters is whether the service could have the request when something goes wrong. Exception classes do not tell
(`ClientConnectorError`, never connected, is a subclass of `ClientOSError`, a reset), so the one thing that counts is
whether the permit was given: it is asked for when the connection stands, and after it the bytes leave.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from batchrun.adapters.credentials.secret import Secret
from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.aiohttp_internals import ParserError
from batchrun.adapters.http.connections import Connections
from batchrun.adapters.http.deadlines import Deadlines
from batchrun.adapters.http.exchange import CONNECT, Envelope, Exchange
from batchrun.adapters.http.proxies import proxy_for
from batchrun.adapters.http.sockets import keepalive_socket, tls_context
from batchrun.domain.frozen import copied
from batchrun.ports import Clock, Permit, Request, Response, TransportError


class HttpTransport:
    """Sends requests to one service. Use `open_transport`."""

    def __init__(self, connector: aiohttp.BaseConnector, base_url: URL, token: Token, clock: Clock) -> None:
        self.connections = Connections(connector)
        self._token = token
        self._clock = clock
        self._proxy = proxy_for(base_url)
        self._root = URL(str(base_url).rstrip("/"))
        self._before = self._root.raw_path.rstrip("/")
        self._envelopes: dict[tuple[str, bool], Envelope] = {}
        self._sealed_with: Secret | None = None
        self._all_deadlines: dict[float, Deadlines] = {}

    async def send(self, request: Request, permit: Permit) -> Response:
        """Send once; a 401 is answered by one more try if the token can be renewed."""
        used = self._token.secret
        response = await self._send(Exchange(request, permit, self._clock), used)
        if response.status != 401:
            return response
        again = Exchange(request, permit, self._clock)
        try:
            if await self._token.renew(used):
                return await self._send(again, self._token.secret)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if again.sent or task is None:
                raise
            # The job stops while we wait for a token or for leave: what was refused with proof stays refused.
            task.uncancel()
        return copied(response, token_error=self._token.trouble)

    async def _send(self, exchange: Exchange, secret: Secret) -> Response:
        request, timed_out = exchange.request, False
        envelope, deadlines = self._envelope(request, secret), self._deadlines(request.timeout)
        way = (self.connections, deadlines, envelope, self._before + request.path)
        try:
            try:
                body = await exchange.run(*way)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                # A service may close a connection in the very moment in which it is used again. A poll is asked anew.
                if request.method != "GET" or not exchange.sent or exchange.got is not None:
                    raise
                body = await exchange.run(*way)
            assert exchange.got is not None
            return copied(exchange.got, body=secret.masked(body, refusal=exchange.got.status >= 400))
        except TimeoutError:
            timed_out = exchange.sent
            seconds = request.timeout if timed_out else min(request.timeout, CONNECT)
            problem = f"no {'answer' if timed_out else 'connection'} within {seconds:g} s"
        except (aiohttp.ClientError, ParserError, OSError, ValueError) as error:
            # ValueError: what a server can send is without limit, and so is what a parser can say to it.
            problem = secret.masked(_words(error).encode(), refusal=True).decode()
        got = exchange.got
        if got is not None and (400 <= got.status < 500 or got.status == 503):
            return got  # the status alone proves the refusal, whatever happened to the rest
        raise TransportError(problem, sent=exchange.sent, timed_out=timed_out)

    def _deadlines(self, seconds: float) -> Deadlines:
        found = self._all_deadlines.get(seconds)
        if found is None:
            found = self._all_deadlines[seconds] = Deadlines(seconds)
        return found

    def _envelope(self, request: Request, secret: Secret) -> Envelope:
        if secret is not self._sealed_with:
            self._envelopes, self._sealed_with = {}, secret
        kind = (request.method, request.body is not None)
        found = self._envelopes.get(kind)
        if found is None:
            found = Envelope(request.method, self._root, secret.headers(json=request.body is not None), self._proxy)
            self._envelopes[kind] = found
        return found


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


@asynccontextmanager
async def open_transport(
    base_url: str, token: Token, clock: Clock, ca_file: str | None = None
) -> AsyncIterator[HttpTransport]:
    """A transport with connections of its own, as many as are asked for."""
    async with aiohttp.TCPConnector(limit=0, ssl=tls_context(ca_file), socket_factory=keepalive_socket) as connector:
        transport = HttpTransport(connector, URL(base_url), token, clock)
        try:
            yield transport
        finally:
            transport.connections.close()
