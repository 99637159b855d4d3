"""A callback receiver on loopback, with helpers to send requests to it."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import aiohttp

from batchrun.adapters.callback_receiver import (
    Receiver,
    open_receiver,
)
from batchrun.dialects import DIALECTS
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.ports import Hint
from tests.support.virtual import run_virtual

BODY = b'{"run_id":"run_1","status":"completed"}'


def free_port(host: str = "127.0.0.1") -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family)) as one:
        one.bind((host, 0))
        port: int = one.getsockname()[1]
        return port


@dataclass
class Stand:
    """A receiver, with helpers to send requests to it."""

    receiver: Receiver
    base_url: str
    session: aiohttp.ClientSession
    host: str
    port: int

    def address(self, row: int = 7, attempt: int = 2) -> str:
        return self.receiver.address(row, attempt)

    async def post(self, url: str, body: bytes | None = BODY, **how: object) -> int:
        return await self.request("POST", url, data=body, **how)

    async def request(self, method: str, url: str, **how: object) -> int:
        async with self.session.request(method, url, **how) as answer:  # type: ignore[arg-type]
            await answer.read()
            return answer.status

    async def heard(self) -> Hint:
        async with asyncio.timeout(5):
            return await self.receiver.next()

    async def quiet(self) -> bool:
        """Whether no callback is waiting."""
        try:
            async with asyncio.timeout(0.05):
                await self.receiver.next()
        except TimeoutError:
            return True
        return False

    async def raw(self, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection over which these bytes were sent."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(data)
        await writer.drain()
        return reader, writer

    def head(self, *headers: str) -> bytes:
        """The head of a callback request."""
        path = self.address().removeprefix(self.base_url)
        return "\r\n".join([f"POST {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


RunIdOf = Callable[[bytes], str | None]
_run_id_of = DIALECTS["v1"].callback_run_id


@asynccontextmanager
async def stand(
    host: str = "127.0.0.1", prefix: str = "/hooks", run_id_of: RunIdOf = _run_id_of
) -> AsyncIterator[Stand]:
    port = free_port(host if ":" in host else "127.0.0.1")
    base_url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    addresses = CallbackAddresses(base_url + prefix, b"k" * 32)
    async with (
        open_receiver(host, port, addresses, run_id_of) as receiver,
        aiohttp.ClientSession() as session,
    ):
        yield Stand(receiver, base_url, session, host, port)


def over_http(
    talk: Callable[[Stand], Awaitable[None]], host: str = "127.0.0.1", *, run_id_of: RunIdOf = _run_id_of
) -> None:
    async def main() -> None:
        async with stand(host, run_id_of=run_id_of) as one:
            await talk(one)

    run_virtual(main())
