"""A service on loopback that repeats in its answers what it was sent, wherever an answer has room for it."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Respond = Callable[["Received"], bytes]


@dataclass(frozen=True, slots=True)
class Received:
    """A request. Header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def token(self) -> str:
        """The token of the request."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def inputs(self) -> dict[str, Any]:
        """The inputs of a submission."""
        found: dict[str, Any] = json.loads(self.body)["inputs"]
        return found


@dataclass
class RawService:
    """Its address, and what it has received."""

    url: str = ""
    received: list[Received] = field(default_factory=list)


def answer(status: int, body: str | bytes, *headers: str, reason: str = "Reason") -> bytes:
    """The bytes of an answer."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status} {reason}", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


def refusal(status: int, message: str, code: str = "CODE", *headers: str) -> bytes:
    """A refusal of the documented API. `message` and `code` are JSON text already."""
    return answer(status, f'{{"error": {{"code": "{code}", "message": "{message}"}}}}', *headers)


@contextmanager
def raw_service(respond: Respond) -> Iterator[RawService]:
    """Serve in a thread until the block ends, by sending the bytes that `respond` returns."""
    service, started, ended = RawService(), threading.Event(), asyncio.Event()
    loop = asyncio.new_event_loop()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := (await reader.readuntil(b"\r\n\r\n")).decode("latin-1"):
                line, *rest = head.split("\r\n")
                method, target, _ = line.split(" ")
                pairs = (text.partition(":") for text in rest if text)
                headers = {name.lower(): value.strip() for name, _, value in pairs}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                service.received.append(Received(method, target, headers, body))
                content = respond(service.received[-1])
                writer.write(content)
                await writer.drain()
                if not content.startswith(b"HTTP/1.1") or b"Connection: close" in content:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        started.set()
        await ended.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def run() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(serve())

    thread = threading.Thread(target=run, name="raw service")
    thread.start()
    try:
        assert started.wait(10)
        yield service
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
