"""Pool of connections to one service.

aiohttp opens the connections. Its own pool also handles several hosts and a limit of connections, at a cost for each
request. Here there is one service, and the engine limits concurrent requests, so a stack of idle connections suffices.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable

import aiohttp

from batchrun.adapters.http.aiohttp_internals import HttpConnection, Route, connect
from batchrun.adapters.http.deadlines import Deadlines

KEEPALIVE = 4.0
"""Close a connection after 4 s idle, before a server does: it must not close just as a POST is sent."""


class ConnectionPool:
    """The idle connections of one connector. The last one used is the first one reused."""

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self._connector = connector
        self._now = asyncio.get_running_loop().time
        self._idle: deque[tuple[float, HttpConnection]] = deque()

    def take_idle(self) -> HttpConnection | None:
        """Take an idle connection that is still open, if any."""
        while self._idle:
            expires_at, connection = self._idle.pop()
            if expires_at > self._now() and connection.is_open():
                return connection
            connection.close()
        return None

    def open(self, route: Route, deadlines: Deadlines) -> Awaitable[HttpConnection]:
        """Open a new connection for `route` within its deadline. Raises TimeoutError and what `connect` raises."""
        return deadlines.within(connect(self._connector, route))

    def release(self, connection: HttpConnection) -> None:
        """Return a connection that both sides keep alive to the pool."""
        now, idle = self._now(), self._idle
        idle.append((now + KEEPALIVE, connection))
        while idle[0][0] <= now:  # idle for the whole keep-alive time
            idle.popleft()[1].close()

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop()[1].close()
