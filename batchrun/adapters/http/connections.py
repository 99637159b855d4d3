"""Connections to one service, each of which is used again while it may be.

aiohttp makes them. Its own pool serves many hosts, proxies and waiting lines, which takes more steps for each request;
for one service without a limit (how many requests there are at once is the engine's business) a stack does.
"""

import asyncio
import math
from collections import deque
from functools import cache

import aiohttp
from aiohttp.connector import Connection

KEEPALIVE = 4.0
"""Seconds that an idle connection is kept: less than any server we know, so that it is not closed under a POST."""


class Connections:
    """Those of one connector that are not in use, the last one used on top."""

    def __init__(self, connector: aiohttp.BaseConnector) -> None:
        self._connector = connector
        self._time = asyncio.get_running_loop().time
        self._idle: deque[tuple[float, Connection]] = deque()

    def kept(self) -> Connection | None:
        """One that was used before, and still stands."""
        while self._idle:
            until, connection = self._idle.pop()
            if until > self._time() and connection.protocol is not None and connection.protocol.is_connected():
                return connection
            connection.close()
        return None

    async def made(self, route: aiohttp.ClientRequest, seconds: float) -> Connection:
        """A new one for this route, within so many seconds. Raises aiohttp's errors and OSError."""
        return await self._connector.connect(route, [], _within(seconds))

    def keep(self, connection: Connection) -> None:
        """Its exchange is over, and both sides mean to use it again."""
        now, idle = self._time(), self._idle
        idle.append((now + KEEPALIVE, connection))
        while idle[0][0] <= now:  # nobody has needed it for so long
            idle.popleft()[1].close()

    def close(self) -> None:
        """Close those that are not in use."""
        while self._idle:
            self._idle.pop()[1].close()


def is_fresh(connection: Connection) -> bool:
    """Whether it stands, and nothing has come over it: what a server says unasked is nobody's answer."""
    protocol = connection.protocol
    return protocol is not None and protocol.is_connected() and not protocol.should_close


@cache
def _within(seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(connect=seconds, ceil_threshold=math.inf)
