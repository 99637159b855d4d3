"""Connections to one service, each of which is used again while it may be.

aiohttp makes them. Its own pool serves many hosts, proxies and waiting lines, which takes more steps for each request;
for one service without a limit (how many requests there are at once is the engine's business) a stack does.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable

import aiohttp

from batchrun.adapters.http.aiohttp_internals import HttpConnection, Route, connect

KEEPALIVE = 4.0
"""Seconds that an idle connection is kept: less than any server we know, so that it is not closed under a POST."""


class Connections:
    """Those of one connector that are not in use, the last one used on top."""

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self._connector = connector
        self._time = asyncio.get_running_loop().time
        self._idle: deque[tuple[float, HttpConnection]] = deque()

    def kept(self) -> HttpConnection | None:
        """One that was used before, and still stands."""
        while self._idle:
            until, connection = self._idle.pop()
            if until > self._time() and connection.is_open():
                return connection
            connection.close()
        return None

    def made(self, route: Route, seconds: float) -> Awaitable[HttpConnection]:
        """A new one for this route, within `seconds`. Raises what `connect` raises."""
        return connect(self._connector, route, seconds)

    def keep(self, connection: HttpConnection) -> None:
        """Its exchange is over, and both sides mean to use it again."""
        now, idle = self._time(), self._idle
        idle.append((now + KEEPALIVE, connection))
        while idle[0][0] <= now:  # nobody has needed it for so long
            idle.popleft()[1].close()

    def close(self) -> None:
        """Close those that are not in use."""
        while self._idle:
            self._idle.pop()[1].close()
