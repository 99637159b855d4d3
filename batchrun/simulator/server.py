"""Serves the simulator over HTTP, on loopback only."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from batchrun.errors import InputError
from batchrun.simulator.callback_sender import CallbackSender
from batchrun.simulator.replies import RefusedError, Reply
from batchrun.simulator.service import Simulator

HOST = "127.0.0.1"
MAX_BODY = 25 * 1024 * 1024
"""Largest request body in bytes; a longer one gets a 413."""
MAX_UPLOAD = 513 * 1024 * 1024
"""The same for an uploaded file."""


@asynccontextmanager
async def serve(simulator: Simulator, port: int = 0) -> AsyncIterator[str]:
    """Serve on 127.0.0.1 and send callbacks until the context ends; yields the base URL. Port 0: any free port.

    Raises `InputError` if the port cannot be bound. Requests still waiting for a response at the end are aborted.
    """

    async def answer(request: web.Request) -> web.StreamResponse:
        arrived = asyncio.get_running_loop().time()
        reply = await _reply(simulator, request, arrived)
        await sender.schedule(reply.callbacks)
        if reply.delay:
            await asyncio.sleep(reply.delay)
        if reply.drop and request.transport is not None:
            request.transport.abort()
        return web.Response(status=reply.status or 200, body=reply.body, headers=reply.headers)

    sender = CallbackSender(simulator)
    app = web.Application(client_max_size=MAX_UPLOAD)
    app.router.add_route("*", "/{path:.*}", answer)
    # Cancel the handler when its client disconnects: the wait for a stuck run would not end otherwise. The run exists
    # already, so nothing else is lost.
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.05, handler_cancellation=True)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        try:
            await site.start()
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(f"the simulator cannot listen on {HOST}, port {port}: {reason}; choose another") from None
        async with sender:
            await sender.schedule(simulator.pending_callbacks())
            yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def _reply(simulator: Simulator, request: web.Request, arrived: float) -> Reply:
    limit, body = MAX_UPLOAD if simulator.takes_files(request.path) else MAX_BODY, bytearray()
    async for part in request.content.iter_any():
        body += part
        if len(body) > limit:
            return RefusedError(413, "PAYLOAD_TOO_LARGE", f"a request may have at most {limit:,} bytes").reply
    headers = {name.lower(): value for name, value in request.headers.items()}
    return simulator.handle(request.method, request.path, request.query, headers, bytes(body), arrived=arrived)
