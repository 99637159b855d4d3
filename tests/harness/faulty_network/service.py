"""A workflow service over raw sockets in which some requests meet a fault, and which notes every POST that it reads.

It assumes the worst: a POST that meets a fault has started a run, unless the fault is a proof of refusal.
"""

import asyncio
import json
import socket
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from batchrun.ports import Clock
from tests.contract.raw_server import Server

Json = dict[str, Any]
MOMENTS = ("post", "sync", "poll")
"""The requests that can meet a fault: an asynchronous POST, a synchronous one, and a poll."""


class Words:
    """What the documented API (`v1`) says."""

    refusal = b'{"error": {"code": "SOME_CODE", "message": "not this time"}}'

    def accepted(self, run_id: str) -> Json:
        return {"run_id": run_id, "status": "pending", "created_at": "2026-01-02T03:04:05Z"}

    def result(self, run_id: str, output: Json) -> Json:
        return {"run_id": run_id, "status": "completed", "output": output}

    def running(self, run_id: str, inputs: Json) -> Json:
        return {"run_id": run_id, "workflow_id": "w", "status": "running", "inputs": inputs}

    def completed(self, run_id: str, inputs: Json, output: Json) -> Json:
        return self.running(run_id, inputs) | {"status": "completed", "outputs": output}


class OpenWords(Words):
    """What the API of the cloud (`open`) says."""

    refusal = b'{"code": 4999, "msg": "not this time"}'

    def accepted(self, run_id: str) -> Json:
        return {"code": 0, "msg": "", "execute_id": run_id, "debug_url": f"https://cloud.invalid/{run_id}"}

    def result(self, run_id: str, output: Json) -> Json:
        return {"code": 0, "msg": "", "data": json.dumps(output), "debug_url": f"https://cloud.invalid/{run_id}"}

    def running(self, run_id: str, inputs: Json) -> Json:
        return self._record(execute_id=run_id, execute_status="Running", input=json.dumps(inputs))

    def completed(self, run_id: str, inputs: Json, output: Json) -> Json:
        text = json.dumps({"node_status": "{}", "Output": json.dumps(output)})
        return self._record(execute_id=run_id, execute_status="Success", input=json.dumps(inputs), output=text)

    def _record(self, **record: object) -> Json:
        return {"code": 0, "msg": "", "data": [record]}


WORDS = {"v1": Words(), "open": OpenWords()}


@dataclass
class Exchange:
    """One request that meets a fault. `good`: the answer that it would have had."""

    api: str
    moment: str
    row: int
    run_id: str
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    good: Json
    service: "RawService"

    @property
    def words(self) -> Words:
        return WORDS[self.api]

    def reset(self) -> None:
        """Close so that the other side sees a reset."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[bool]]
"""Misbehaves. Returns whether the connection is fit for another request."""


@dataclass
class RawService:
    """`misbehave` is what the first `times` requests of `moment` meet that are about `faulty`, which is a row."""

    api: str
    clock: Clock
    misbehave: Behaviour
    moment: str
    faulty: int
    times: int = 1
    seconds: float = 0.0
    """How long a run takes."""
    posts: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    polls: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    met: int = 0
    """How many requests have met the fault."""
    runs: dict[str, tuple[int, Json, float]] = field(default_factory=dict)
    """The runs by ID: row, inputs, and when it ends."""
    connections: set[asyncio.StreamWriter] = field(default_factory=set)

    async def behave(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections.add(writer)
        try:
            while True:
                seen = await server.request(reader)
                method, path, _ = seen.line.split(" ")
                exchange = self._exchange(method, path, json.loads(seen.body or "{}"), reader, writer)
                if exchange is not None and self._meets(exchange):
                    self.met += 1
                    if not await self.misbehave(exchange):
                        return
                else:
                    writer.write(self._other(path) if exchange is None else whole(encoded(exchange.good)))
                    await writer.drain()
        except asyncio.CancelledError:
            pass  # the session has ended
        finally:
            self.connections.discard(writer)

    def cut_connections(self) -> None:
        """End all connections at once."""
        for writer in [*self.connections]:
            writer.transport.abort()

    def _other(self, path: str) -> bytes:
        """The answer to a request of no row: the workflow is there, and other runs are not."""
        if path.startswith("/v1/workflows/w?"):
            return whole(b'{"code": 0, "msg": "", "data": {"workflow_detail": {"workflow_id": "w"}}}')
        return whole(WORDS[self.api].refusal, 404)

    def _meets(self, exchange: Exchange) -> bool:
        return exchange.moment == self.moment and exchange.row == self.faulty and self.met < self.times

    def _exchange(
        self, method: str, path: str, body: Json, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Exchange | None:
        """The request of a row; None for any other."""
        words, now = WORDS[self.api], self.clock.now() / 1000
        if method == "POST":
            inputs = body.get("inputs") or body["parameters"]
            row = int(inputs["id"])
            self.posts[row] += 1
            run_id = f"run-{row:03}-{len(self.runs):05}"
            self.runs[run_id] = (row, inputs, now + self.seconds)
            is_sync = not body.get("async", body.get("is_async"))
            good = words.result(run_id, output_of(row)) if is_sync else words.accepted(run_id)
            return Exchange(self.api, "sync" if is_sync else "post", row, run_id, reader, writer, good, self)
        run_id = unquote(path.partition("?")[0].rpartition("/")[2])
        if run_id not in self.runs:
            return None
        row, inputs, end = self.runs[run_id]
        self.polls[row] += 1
        good = words.completed(run_id, inputs, output_of(row)) if now >= end else words.running(run_id, inputs)
        return Exchange(self.api, "poll", row, run_id, reader, writer, good, self)


def output_of(row: int) -> Json:
    """What the workflow makes of a row."""
    return {"text": f"row {row}"}


def encoded(answer: object) -> bytes:
    return json.dumps(answer).encode()


def whole(body: bytes, status: int = 200, *headers: bytes) -> bytes:
    """A complete answer."""
    lines = [b"HTTP/1.1 %d Some Words" % status, b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


def bound_socket(port: int = 0) -> socket.socket:
    """A socket that is bound to a port of loopback, and does not listen yet. Several may be bound to one port."""
    # With the protocol named, asyncio turns off Nagle's algorithm, which would delay bytes in real time.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind(("127.0.0.1", port))
    return bound


@asynccontextmanager
async def listening(service: RawService, port: int) -> AsyncIterator[None]:
    """The service listens. At the end its connections are cut."""
    server = await asyncio.start_server(Server(service.behave).connected, sock=bound_socket(port))
    try:
        yield
    finally:
        server.close()
        service.cut_connections()
