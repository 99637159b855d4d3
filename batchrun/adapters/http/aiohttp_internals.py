"""The undocumented parts of aiohttp. No other file touches them, the receiver of callbacks aside.

As documented, a request goes through `ClientSession`. The hooks of its `TraceConfig` are awaited between the connection
and the first byte, so a permit could be asked for there, but a request would cost several times more CPU time. So a
request is written, and its answer read, on a connection of aiohttp's connector itself.

`tests/contract/test_contract_aiohttp_internals.py` names each part that is used. `pyproject.toml` allows the minor
versions of aiohttp for which that test has passed.
"""

import asyncio
import math
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import aiohttp
from aiohttp.connector import Connection  # noqa: TID251  # this file's purpose
from aiohttp.http import HttpProcessingError  # noqa: TID251  # likewise
from multidict import CIMultiDict
from yarl import URL

ParserError = HttpProcessingError
"""What reading an answer raises that is not HTTP."""


class Route:
    """Where a connection leads, and the header fields that every request on it has."""

    def __init__(self, method: str, url: URL, headers: CIMultiDict[str], proxy: URL | None) -> None:
        self.request = aiohttp.ClientRequest(  # noqa: TID251  # likewise
            method, url, headers=headers, proxy=proxy, loop=asyncio.get_running_loop()
        )

    @property
    def headers(self) -> Mapping[str, str]:
        """The given fields, and those that aiohttp adds."""
        return self.request.headers


class Answer(NamedTuple):
    """An answer whose head has come, and perhaps its body."""

    status: int
    headers: Mapping[str, str]
    content: aiohttp.StreamReader
    keep_alive: bool
    """Whether the connection may be used again once the body has been read."""


class HttpConnection:
    """A connection over which one request at a time can be sent."""

    __slots__ = ("_connection", "_protocol")

    def __init__(self, connection: Connection) -> None:
        assert connection.protocol is not None
        self._connection = connection
        self._protocol = connection.protocol

    def is_open(self) -> bool:
        """Whether neither side has closed it."""
        return self._protocol.is_connected()

    def is_fresh(self) -> bool:
        """Whether it is open and nothing has come over it: what a server sends unasked answers no request."""
        return self._protocol.is_connected() and not self._protocol.should_close

    async def exchange(self, request: bytes) -> Answer:
        """Send a request, over an open connection, and wait for the head of its answer.

        Raises OSError, ValueError, aiohttp's errors and `ParserError`.
        """
        protocol, transport = self._protocol, self._connection.transport
        assert transport is not None
        protocol.set_response_params(read_until_eof=True)
        transport.write(request)
        message, content = await protocol.read()
        while 100 <= message.code < 200:
            message, content = await protocol.read()
        return Answer(message.code, message.headers, content, not message.should_close)

    def close(self) -> None:
        """Close it once what was written has been sent."""
        self._connection.close()

    def abort(self) -> None:
        """Close it at once."""
        if self._connection.transport is not None:
            self._connection.transport.abort()


async def connect(connector: aiohttp.BaseConnector, route: Route, seconds: float) -> HttpConnection:
    """A new connection, made within `seconds`. Raises TimeoutError, OSError and aiohttp's errors."""
    return HttpConnection(await connector.connect(route.request, [], _timeout(seconds)))


@cache
def _timeout(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=seconds, ceil_threshold=math.inf)
