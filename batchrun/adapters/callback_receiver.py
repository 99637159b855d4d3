"""The receiver of callbacks, over aiohttp's bare server.

It may stand open to the network, so what anybody can send costs little: an address is checked by one hash before
anything else is read, only bodies under proven addresses are read and only up to a cap, and whatever is slow is cut
off. Requests that prove nothing, and repetitions, are answered at a bounded rate, from a bounded number of
connections; all others wait in the queue of the operating system. What is lost so is found by a poll.
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
"""Bytes of a body; of a longer one nothing is used."""

MAX_LINE = 4096
"""Bytes of the request line, and of each header."""

MAX_CONNECTIONS = 100

IDLE = 5.0
"""Seconds without a request, or with half of one, after which a connection is closed; so long may a body take, too."""

LIFETIME = 15.0
"""Seconds after which any connection is closed."""

WORTHLESS_RPS, BURST = 300.0, 0.1
"""Requests a second without proof, or repeated, that are answered; so many seconds' worth of them come at once.

One on a connection of its own costs 0.3 ms, so that no flood of them takes a tenth of the process.
"""

BACKLOG = 1024
"""Connections that may wait to be accepted."""

REMEMBERED = 10_000
"""Addresses that are remembered to tell repetitions."""

MAX_WAITING = 1000
"""Callbacks that may wait to be heard; more are answered 503."""

REPORT = 60.0
"""Seconds between two lines of the log about requests without proof."""

_SILENT = logging.Logger("batchrun.callbacks", logging.CRITICAL + 1)
"""Takes what aiohttp has to say of each bad request."""


class Receiver:
    """`ports.Callbacks` over HTTP. Use `open_receiver`."""

    def __init__(self, addresses: CallbackAddresses, run_id_of: Callable[[bytes], str | None]) -> None:
        self._addresses = addresses
        self._run_id_of = run_id_of
        self._waiting = asyncio.Queue[Hint](MAX_WAITING)
        self._answered: dict[Attempt, None] = {}
        self._room = asyncio.Semaphore(MAX_CONNECTIONS)
        self._server = _Server(self._answer, self._room.release)
        self._next_worthless = 0.0
        self._unproven = 0
        self._report_at = 0.0

    def address(self, row: int, attempt: int) -> str:
        """The address for this attempt."""
        return self._addresses.of(row, attempt)

    async def next(self) -> Hint:
        """Wait for the next callback."""
        return await self._waiting.get()

    # -- one request

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        status = await self._status(request)
        response = web.Response(status=status, headers={"Allow": "POST"} if status == 405 else None)
        if status in {400, 408, 413} or self._server.is_old(request.protocol):
            response.force_close()
        return response

    async def _status(self, request: web.BaseRequest) -> int:
        attempt = self._addresses.proven(request.raw_path.partition("?")[0])
        if attempt is None:
            self._count()
            await self._pace()
            return 404
        if request.method != "POST":
            await self._pace()
            return 405
        if attempt in self._answered:
            await self._pace()
        status, run_id = await self._read(request)
        try:
            self._waiting.put_nowait(Hint(*attempt, run_id))
        except asyncio.QueueFull:
            return 503
        self._remember(attempt)
        return status

    async def _read(self, request: web.BaseRequest) -> tuple[int, str | None]:
        """The status to answer with, and the run that the body names. Whatever it is, the address has proven itself."""
        if (request.content_length or 0) > MAX_BODY:
            return 413, None
        if request.headers.get("Expect", "").lower() == "100-continue" and request.transport is not None:
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        try:
            async with asyncio.timeout(IDLE):
                async for part in request.content.iter_any():
                    body += part
                    if len(body) > MAX_BODY:
                        return 413, None
        except TimeoutError:
            return 408, None
        except (web.RequestPayloadError, ValueError):
            return 400, None
        return 200, self._run_id_of(bytes(body))

    def _remember(self, attempt: Attempt) -> None:
        self._answered[attempt] = None
        if len(self._answered) > REMEMBERED:
            del self._answered[next(iter(self._answered))]

    async def _pace(self) -> None:
        """Wait for the turn of a request that is worth nothing."""
        now = asyncio.get_running_loop().time()
        self._next_worthless = max(self._next_worthless, now) + 1 / WORTHLESS_RPS
        if (wait := self._next_worthless - now - BURST) > 0:
            await asyncio.sleep(wait)

    def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        self._unproven += 1
        if now >= self._report_at:
            self._report_at = now + REPORT
            self._report()

    def _report(self) -> None:
        if self._unproven:
            log.warning(
                "callbacks: %s with an address that this job did not give out, answered 404; if they come from the "
                "service, see that --callback-url leads here with the end of its path untouched",
                "1 request" if self._unproven == 1 else f"{self._unproven:,} requests",
            )
        self._unproven = 0

    # -- connections

    async def accept(self, listening: socket.socket) -> None:
        """Take connections while there is room for them, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await self._room.acquire()
            try:
                accepted, _ = await loop.sock_accept(listening)
            except OSError:  # too many open files, or one that was gone again
                self._room.release()
                await asyncio.sleep(0.1)
                continue
            except BaseException:
                self._room.release()
                raise
            try:
                transport, protocol = await loop.connect_accepted_socket(self._server, accepted)
            except OSError:
                self._room.release()
                continue
            self._server.limit(transport, protocol)

    async def close(self) -> None:
        """Close all connections."""
        self._report()
        await self._server.shutdown(0.1)


class _Server(web.Server):
    """Tells when a connection is gone, and lets none live for ever."""

    def __init__(
        self, handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], on_done: Callable[[], None]
    ) -> None:
        super().__init__(
            handler,
            logger=_SILENT,
            access_log=None,
            keepalive_timeout=IDLE,
            lingering_time=0,
            max_line_size=MAX_LINE,
            max_field_size=MAX_LINE,
            auto_decompress=False,
        )
        self._on_left = on_done
        self._ends: dict[object, asyncio.TimerHandle] = {}

    def limit(self, transport: asyncio.Transport, handler: web.RequestHandler) -> None:
        """End this connection in time, whatever it is doing."""
        if not transport.is_closing():
            self._ends[handler] = asyncio.get_running_loop().call_later(LIFETIME, transport.abort)

    def is_old(self, handler: web.RequestHandler) -> bool:
        """Whether its end is near, so that its present request had better be its last."""
        end = self._ends.get(handler)
        return end is None or end.when() - asyncio.get_running_loop().time() < IDLE

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if (end := self._ends.pop(handler, None)) is not None:
            end.cancel()
        self._on_left()


# -- where it listens


def refuse_taken(host: str, port: int) -> None:
    """Raise `InputError` where nobody can listen there now."""
    _close(_listen(host, port))


def _listen(host: str, port: int) -> list[socket.socket]:
    """Sockets that listen on every address of `host`."""
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in dict.fromkeys(found):
            one = socket.socket(family, kind, protocol)
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
    """A receiver that listens until the block ends. `run_id_of`: the run that a body names, if any.

    Raises `InputError` where the port cannot be had.
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
