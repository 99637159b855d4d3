"""A client that does nothing but ask: it shows what the stand-in service can give."""

import asyncio
from typing import cast
from urllib.parse import urlsplit

from tests.benchmarks.standin import fast_loop

BODY = b'{"workflow_id":"w","inputs":{"id":"123456","text":"%s"},"async":false}' % (b"some text of a row " * 5)
REQUEST = (
    b"POST /v1/workflow/run HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer token\r\nAccept: */*\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)
CONNECTIONS = 100
PATIENCE = 60
"""Seconds for all of them."""


class Asking(asyncio.Protocol):
    """Sends the next request for each answer that came, while there are any left."""

    def __init__(self, requests: int, done: asyncio.Event) -> None:
        self._left = requests
        self._awaited = requests
        self._done = done
        self._tail = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio's."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self._send(1)

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        data = self._tail + data
        came = data.count(b"\r\n\r\n")
        self._tail = data[-3:] if not data.endswith(b"\r\n\r\n") else b""
        self._awaited -= came
        if self._left:
            self._send(came)
        if not self._awaited:
            self._transport.close()
            self._done.set()

    def _send(self, count: int) -> None:
        count = min(count, self._left)
        self._left -= count
        self._transport.write(REQUEST * count)


async def _flood(url: str, requests: int) -> float:
    loop, place = asyncio.get_running_loop(), urlsplit(url)
    done = [asyncio.Event() for _ in range(CONNECTIONS)]
    before = loop.time()
    for event in done:
        await loop.create_connection(
            lambda event=event: Asking(requests // CONNECTIONS, event),  # type: ignore[misc]
            place.hostname or "",
            place.port or 80,
        )
    async with asyncio.timeout(PATIENCE):
        for event in done:
            await event.wait()
    return loop.time() - before


def flood(url: str, requests: int) -> float:
    """Seconds for so many requests, a multiple of the connections."""
    with asyncio.Runner(loop_factory=fast_loop()) as runner:
        return runner.run(_flood(url, requests))
