"""An answer that nobody asked for, on a connection that is kept, is not taken for the answer to the next request."""

import asyncio
import os
from collections.abc import Awaitable, Callable

import pytest

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.transport import open_transport
from batchrun.ports import Response, TransportError
from tests.contract.raw_server import GET, OK, POST, SECRET, Server, permit, served, virtual
from tests.support.virtual import StillClock

FOREIGN = b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"run_id":"odd"}'
PIECES = [FOREIGN, FOREIGN * 2, FOREIGN[:-1], b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"]


class Talkative:
    """A server that answers, and says more on its first connection: `after` with the first answer, or when `say` is
    called, which sends at once, without the event loop."""

    def __init__(self, after: bytes = b"") -> None:
        self.after = after
        self.descriptor = -1

    async def behave(self, server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_first = server.connections == 1
        if is_first:
            self.descriptor = writer.get_extra_info("socket").fileno()
        while True:
            await server.request(reader)
            writer.write(OK + self.after if is_first and len(server.seen) == 1 else OK)

    def say(self, text: bytes) -> None:
        os.write(self.descriptor, text)


async def second_answer(talkative: Talkative, between: Callable[[], Awaitable[None]]) -> tuple[Response, Server]:
    """The answer to the second of two requests. `between` is awaited as its permit."""
    async with (
        served(talkative.behave) as (server, base),
        open_transport(base, Token(SECRET), StillClock()) as transport,
    ):
        assert (await transport.send(POST, permit)).body == b"{}"
        return await transport.send(GET, between), server


@pytest.mark.parametrize("said", PIECES)
def test_what_came_together_with_the_last_answer(said: bytes) -> None:
    async def main() -> None:
        answer, server = await second_answer(Talkative(after=said), permit)
        assert (answer.status, answer.body, server.connections, len(server.seen)) == (200, b"{}", 2, 2)

    virtual(main())


@pytest.mark.parametrize("said", PIECES)
def test_what_came_while_the_connection_was_idle(said: bytes) -> None:
    async def main() -> None:
        talkative = Talkative()

        async def later() -> None:
            talkative.say(said)
            await asyncio.sleep(1)

        answer, server = await second_answer(talkative, later)
        assert (answer.status, answer.body, server.connections, len(server.seen)) == (200, b"{}", 2, 2)

    virtual(main())


@pytest.mark.parametrize("said", PIECES)
def test_what_came_at_the_last_moment_and_was_not_read_yet(said: bytes) -> None:
    async def main() -> None:
        talkative = Talkative()

        async def at_the_last_moment() -> None:
            talkative.say(said)

        answer, server = await second_answer(talkative, at_the_last_moment)
        assert (answer.status, answer.body, server.connections, len(server.seen)) == (200, b"{}", 2, 2)

    virtual(main())


@pytest.mark.parametrize("cut", [4, 20, len(FOREIGN) - 17])
def test_the_end_of_an_answer_whose_beginning_came_too_early_is_no_answer(cut: int) -> None:
    async def main() -> None:
        talkative = Talkative()

        async def in_two_parts() -> None:
            talkative.say(FOREIGN[:cut])
            await asyncio.sleep(1)
            asyncio.get_running_loop().call_soon(talkative.say, FOREIGN[cut:])

        try:
            answer, _ = await second_answer(talkative, in_two_parts)
        except TransportError as error:
            assert error.sent
        else:
            assert answer.body == b"{}"

    virtual(main())
