"""How requests reach the service: in memory as a network would bring them, or over real sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.transport import open_transport
from batchrun.ports import Clock, Permit, Request, Response, Transport, TransportError
from tests.contract.raw_server import Server, served
from tests.harness.simulated.service import Reply


class Gate(Protocol):
    """Where requests arrive."""

    @property
    def clock(self) -> Clock:
        """The clock of the job."""
        ...

    def refuses_connection(self, method: str) -> bool:
        """Whether no connection is made now."""
        ...

    def arrived(self, method: str, path: str, body: bytes) -> Reply:
        """Take a request."""
        ...

    @property
    def is_killed(self) -> bool:
        """Whether the process of the job was killed, so that it can send nothing."""
        ...


class MemoryTransport:
    """Implements `ports.Transport` without sockets."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def send(self, request: Request, permit: Permit) -> Response:
        """See the port."""
        gate = self._gate
        if gate.refuses_connection(request.method):
            await asyncio.sleep(0.01)
            raise TransportError("connection refused", sent=False)
        await permit()
        if gate.is_killed:
            raise asyncio.CancelledError
        reply = gate.arrived(request.method, request.path, request.body or b"")
        if reply.delay > request.timeout:
            await asyncio.sleep(request.timeout)
            raise TransportError(f"no answer within {request.timeout:g} s", sent=True, timed_out=True)
        await asyncio.sleep(reply.delay)
        if reply.is_lost:
            raise TransportError("the connection was closed without an answer", sent=True)
        return Response(reply.status, reply.body, reply.headers, gate.clock.now())


class CountedTransport:
    """Counts the requests that are in progress."""

    def __init__(self, transport: Transport) -> None:
        self._transport, self._open = transport, 0
        self.most_open = 0
        """The most that were at one time."""

    async def send(self, request: Request, permit: Permit) -> Response:
        """See the port."""
        self._open += 1
        self.most_open = max(self.most_open, self._open)
        try:
            return await self._transport.send(request, permit)
        finally:
            self._open -= 1


@asynccontextmanager
async def in_memory(gate: Gate) -> AsyncIterator[Transport]:
    """The transport without sockets."""
    yield MemoryTransport(gate)


@asynccontextmanager
async def over_http(gate: Gate) -> AsyncIterator[Transport]:
    """The real transport, to a server that does to each connection what the service wants."""

    async def behave(server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            seen = await server.request(reader)
            method, path, _ = seen.line.split()
            reply = gate.arrived(method, path, seen.body)
            await asyncio.sleep(reply.delay)
            if reply.is_lost:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return
            fields = {**reply.headers, "content-length": str(len(reply.body))}
            head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
            writer.write(f"HTTP/1.1 {reply.status} Word\r\n{head}\r\n".encode() + reply.body)
            await writer.drain()

    async with served(behave) as (_, base), open_transport(base, Token("simulated"), gate.clock) as transport:
        yield transport
