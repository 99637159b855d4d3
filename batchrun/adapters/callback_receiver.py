"""The callback receiver, over aiohttp's low-level server.

It may be exposed to the network, so requests from strangers must cost little. One hash checks the address before
anything else is read. Bodies are read only under valid addresses, and only up to a limit. Slow connections are closed.
Requests with an invalid address, and repeated ones, are answered at a limited rate. The number of connections is
limited; further ones wait in the accept queue of the operating system. A poll finds the runs whose callbacks are lost.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from batchrun.domain.callback_addresses import Attempt, CallbackAddresses
from batchrun.errors import InputError
from batchrun.ports import Hint

log = logging.getLogger("batchrun")

MAX_BODY = 64 * 1024
"""Bytes of a body. A longer body is ignored."""

MAX_LINE = 4096
"""Bytes of the request line and of each header."""

MAX_CONNECTIONS = 100

IDLE_TIMEOUT = 5.0
"""Close a connection after 5 s without a complete request head. A body may take 5 s too."""

MAX_CONNECTION_AGE = 15.0
"""Close every connection after 15 s."""

UNPROVEN_RPS, UNPROVEN_BURST = 300.0, 0.1
"""Answer at most 300 invalid or repeated requests per second, after a burst of 0.1 s' worth. This bounds the CPU time
that a flood of them takes."""

BACKLOG = 1024
"""Connections that may wait in the accept queue."""

MAX_REMEMBERED = 10_000
"""Addresses to remember, to recognise repeated callbacks."""

MAX_WAITING = 1000
"""Callbacks that may wait for the engine. Further ones are answered 503."""

LOG_INTERVAL = 60.0
"""Log invalid requests at most once every 60 s."""

_SILENT_LOG = logging.Logger("batchrun.callbacks", logging.CRITICAL + 1)
"""Discards the messages that aiohttp logs for each bad request."""


class Receiver:
    """`ports.Callbacks` over HTTP; opened by `open_receiver`."""

    def __init__(self, addresses: CallbackAddresses, run_id_of: Callable[[bytes], str | None]) -> None:
        self._addresses = addresses
        self._run_id_of = run_id_of
        self._waiting = asyncio.Queue[Hint](MAX_WAITING)
        self._answered: dict[Attempt, None] = {}
        self._connection_slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._server = _Server(self._answer, self._connection_slots.release)
        self._next_unproven_at = 0.0
        self._unproven = 0
        self._next_report_at = 0.0

    def address(self, row: int, attempt: int) -> str:
        """The callback address for this attempt."""
        return self._addresses.of(row, attempt)

    async def next(self) -> Hint:
        """Wait for the next callback."""
        return await self._waiting.get()

    # -- one request

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        status = await self._status(request)
        response = web.Response(status=status, headers={"Allow": "POST"} if status == 405 else None)
        if status in {400, 408, 413} or self._server.is_near_max_age(request.protocol):
            response.force_close()
        return response

    async def _status(self, request: web.BaseRequest) -> int:
        attempt = self._addresses.proven(request.raw_path.partition("?")[0])
        if attempt is None:
            self._count_unproven()
            await self._delay_unproven()
            return 404
        if request.method != "POST":
            await self._delay_unproven()
            return 405
        if attempt in self._answered:
            await self._delay_unproven()
        status, run_id = await self._read(request)
        try:
            self._waiting.put_nowait(Hint(*attempt, run_id))
        except asyncio.QueueFull:
            return 503
        self._remember(attempt)
        return status

    async def _read(self, request: web.BaseRequest) -> tuple[int, str | None]:
        """The response status, and the run that the body names. The callback counts whatever the status."""
        if (request.content_length or 0) > MAX_BODY:
            return 413, None
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        try:
            async with asyncio.timeout(IDLE_TIMEOUT):
                async for part in request.content.iter_any():
                    body += part
                    if len(body) > MAX_BODY:
                        return 413, None
        except TimeoutError:
            return 408, None
        except (web.RequestPayloadError, ValueError):
            return 400, None
        try:
            return 200, self._run_id_of(bytes(body))
        except Exception:
            log.info("a parser failed", exc_info=True)
            return 200, None

    def _remember(self, attempt: Attempt) -> None:
        self._answered[attempt] = None
        if len(self._answered) > MAX_REMEMBERED:
            del self._answered[next(iter(self._answered))]

    async def _delay_unproven(self) -> None:
        """Delay an invalid or repeated request as its rate limit requires."""
        now = asyncio.get_running_loop().time()
        self._next_unproven_at = max(self._next_unproven_at, now) + 1 / UNPROVEN_RPS
        if (wait := self._next_unproven_at - now - UNPROVEN_BURST) > 0:
            await asyncio.sleep(wait)

    def _count_unproven(self) -> None:
        now = asyncio.get_running_loop().time()
        self._unproven += 1
        if now >= self._next_report_at:
            self._next_report_at = now + LOG_INTERVAL
            self._log_unproven()

    def _log_unproven(self) -> None:
        if self._unproven:
            log.warning(
                "callbacks: %s with an address that this job did not give out, answered 404; if they come from the "
                "service, see that --callback-url leads here with the end of its path untouched",
                "1 request" if self._unproven == 1 else f"{self._unproven:,} requests",
            )
        self._unproven = 0

    # -- connections

    async def accept(self, listening: socket.socket) -> None:
        """Accept connections, up to `MAX_CONNECTIONS` at a time, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await self._connection_slots.acquire()
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError:  # too many open files, or the client has closed it already
                self._connection_slots.release()
                await asyncio.sleep(0.1)
                continue
            except BaseException:
                self._connection_slots.release()
                raise
            try:
                transport, protocol = await loop.connect_accepted_socket(self._server, accepted)
            except OSError:
                self._connection_slots.release()
                continue
            self._server.limit(transport, protocol)

    async def close(self) -> None:
        """Close all connections."""
        self._log_unproven()
        await self._server.shutdown(0.1)


class _Server(web.Server):
    """Reports lost connections and limits the age of each."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        on_connection_lost: Callable[[], None],
    ) -> None:
        super().__init__(
            handler,
            logger=_SILENT_LOG,
            access_log=None,
            keepalive_timeout=IDLE_TIMEOUT,
            lingering_time=0,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            auto_decompress=False,
        )
        self._on_connection_lost = on_connection_lost
        self._abort_timers: dict[object, asyncio.TimerHandle] = {}

    def limit(self, transport: asyncio.Transport, handler: web.RequestHandler) -> None:
        """Abort this connection at `MAX_CONNECTION_AGE`."""
        if not transport.is_closing():
            self._abort_timers[handler] = asyncio.get_running_loop().call_later(MAX_CONNECTION_AGE, transport.abort)

    def is_near_max_age(self, handler: web.RequestHandler) -> bool:
        """Whether the connection will be aborted soon, so that it should serve no further request."""
        timer = self._abort_timers.get(handler)
        return timer is None or timer.when() - asyncio.get_running_loop().time() < IDLE_TIMEOUT

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if (timer := self._abort_timers.pop(handler, None)) is not None:
            timer.cancel()
        self._on_connection_lost()


# -- listening sockets


def refuse_taken(host: str, port: int) -> None:
    """Raise `InputError` if this address cannot be listened on now."""
    _close(_listen(host, port))


def _listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of `host`."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, socket_type, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, socket_type, protocol)
            sockets.append(one)
            one.setblocking(False)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            one.bind(address)
            one.listen(BACKLOG)
    except (OSError, UnicodeError) as error:
        _close(sockets)
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"--callback-listen {host}, port {port}: cannot listen there: {reason}") from None
    return sockets


def _close(sockets: list[socket.socket]) -> None:
    for one in sockets:
        one.close()


@asynccontextmanager
async def open_receiver(
    host: str, port: int, addresses: CallbackAddresses, run_id_of: Callable[[bytes], str | None]
) -> AsyncIterator[Receiver]:
    """Open a receiver that listens until the block ends. `run_id_of`: returns the run that a body names, if any.

    Raises `InputError` if the port cannot be used.
    """
    sockets = _listen(host, port)
    try:
        receiver = Receiver(addresses, run_id_of)
        async with asyncio.TaskGroup() as group:
            accepting = [group.create_task(receiver.accept(one), name="accept callbacks") for one in sockets]
            try:
                yield receiver
            finally:
                for task in accepting:
                    task.cancel()
                await receiver.close()
    finally:
        _close(sockets)
