"""The undocumented parts of aiohttp. No other file uses them, except for the callback receiver.

The documented way to send a request is `ClientSession`. The hooks of its `TraceConfig` are awaited between the
connection and the first byte, so a permit could be requested there. But a request would cost several times more CPU
time. So this module writes requests to, and reads responses from, a connection of aiohttp's connector.

`tests/contract/test_contract_aiohttp_internals.py` lists every part used here. `pyproject.toml` allows the minor
versions of aiohttp for which that test has passed.
"""

import asyncio
from collections.abc import Mapping
from typing import NamedTuple

import aiohttp
from aiohttp.connector import Connection  # noqa: TID251  # this file's purpose
from aiohttp.http import HttpProcessingError  # noqa: TID251  # likewise
from multidict import CIMultiDict
from yarl import URL

from batchrun.adapters.http.sockets import unread_check

MAX_READS = 10
"""Turns of the event loop in which it may read what has arrived on a connection."""

READ_BYTES = 64 << 10
"""Stop receiving when about twice as many bytes of a body have not been read."""

ParserError = HttpProcessingError
"""Raised when a response is not valid HTTP."""


class Route:
    """The destination of a connection, and the header fields of every request sent over it.

    `proxy_headers`: header fields for the proxy alone, if it opens a tunnel.
    """

    def __init__(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        proxy: URL | None,
        proxy_headers: CIMultiDict[str] | None = None,
    ) -> None:
        self.request = aiohttp.ClientRequest(  # noqa: TID251  # likewise
            method, url, headers=headers, proxy=proxy, proxy_headers=proxy_headers, loop=asyncio.get_running_loop()
        )

    @property
    def headers(self) -> Mapping[str, str]:
        """The given header fields and those that aiohttp adds."""
        return self.request.headers


class IncomingResponse(NamedTuple):
    """A response whose head was received; its body may still be incoming, and may be compressed."""

    status: int
    headers: Mapping[str, str]
    content: aiohttp.StreamReader
    keep_alive: bool
    """Whether the connection may be reused after the body has been read."""


class HttpConnection:
    """A connection that carries one request at a time."""

    __slots__ = ("_connection", "_has_unread", "_protocol")

    def __init__(self, connection: Connection) -> None:
        assert connection.protocol is not None
        assert connection.transport is not None
        self._connection = connection
        self._protocol = connection.protocol
        self._has_unread = unread_check(connection.transport.get_extra_info("socket"))

    def is_open(self) -> bool:
        """Whether neither side has closed the connection."""
        return self._protocol.is_connected()

    async def is_fresh(self) -> bool:
        """Whether it is open and has received nothing; unrequested data must not be taken for a response.

        This includes what has arrived but was not read yet. Over TLS, that may also be something else than a response.
        """
        protocol = self._protocol
        for _ in range(MAX_READS):
            if not protocol.is_connected() or protocol.should_close:
                return False
            if not self._has_unread():
                return True
            await asyncio.sleep(0)  # let the event loop read it
        return False

    async def exchange(self, request: bytes) -> IncomingResponse:
        """Send a request over the open connection, and wait for the head of the response.

        Raises OSError, ValueError, aiohttp's errors and `ParserError`.
        """
        self.begin(request)
        return await self.answer()

    def begin(self, request: bytes) -> None:
        """Send the first bytes of a request over the open connection, or all of them."""
        transport = self._connection.transport
        assert transport is not None
        self._protocol.set_response_params(read_until_eof=True, auto_decompress=False, read_bufsize=READ_BYTES)
        transport.write(request)

    async def send(self, data: bytes) -> None:
        """Send further bytes of a request, as soon as enough of the earlier ones have left. Raises aiohttp's errors."""
        await self._protocol._drain_helper()
        if (transport := self._connection.transport) is not None:
            transport.write(data)

    async def answer(self) -> IncomingResponse:
        """Wait for the head of the response. Raises OSError, ValueError, aiohttp's errors and `ParserError`."""
        protocol = self._protocol
        message, content = await protocol.read()
        while 100 <= message.code < 200:
            message, content = await protocol.read()
        return IncomingResponse(message.code, message.headers, content, not message.should_close)

    def close(self) -> None:
        """Close the connection after all written data has been sent."""
        self._connection.close()

    def abort(self) -> None:
        """Close the connection immediately."""
        if self._connection.transport is not None:
            self._connection.transport.abort()


async def connect(connector: aiohttp.BaseConnector, route: Route) -> HttpConnection:
    """Open a connection. It may be cancelled. Raises OSError and aiohttp's errors."""
    return HttpConnection(await connector.connect(route.request, [], _NO_TIMEOUT))


_NO_TIMEOUT = aiohttp.ClientTimeout()
