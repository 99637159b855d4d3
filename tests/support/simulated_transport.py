"""A transport that calls the simulator in this process, without sockets."""

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qsl, unquote, urlsplit

from batchrun.ports import Clock, Permit, Request, Response, TransportError
from batchrun.simulator.callbacks import PendingCallback
from batchrun.simulator.service import Simulator


class SimulatedTransport:
    """Implements `ports.Transport`. It sleeps on the running loop, so a loop with virtual time makes it fast."""

    def __init__(
        self,
        simulator: Simulator,
        clock: Clock,
        on_callback: Callable[[PendingCallback], None] = lambda _callback: None,
    ) -> None:
        """`on_callback` gets every callback when it is scheduled; the callback's delay starts then."""
        self._simulator = simulator
        self._clock = clock
        self._on_callback = on_callback

    async def send(self, request: Request, permit: Permit) -> Response:
        """Send once. Raises `TransportError` with `sent` if the answer was lost or took longer than the timeout."""
        await permit()
        url = urlsplit(request.path)
        headers = {"authorization": "Bearer simulated"}
        body = request.body or b""
        if request.body is not None:
            headers["content-type"] = "application/json"
        elif request.content is not None:
            headers["content-type"] = request.content.type
            body = b"".join([chunk async for chunk in request.content.chunks()])
        reply = self._simulator.handle(
            request.method,
            unquote(url.path),
            dict(parse_qsl(url.query, keep_blank_values=True)),
            headers,
            body,
            arrived=asyncio.get_running_loop().time(),
        )
        for callback in reply.callbacks:
            self._on_callback(callback)
        if reply.delay > request.timeout:
            await asyncio.sleep(request.timeout)
            raise TransportError(f"no answer within {request.timeout:g} s", sent=True, timed_out=True)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.drop:
            raise TransportError("the server closed the connection without an answer", sent=True)
        return Response(reply.status, reply.body, reply.headers, self._clock.now())
