"""When the transport marks a POST as handed to the socket: after all that may fail or wait, before the first byte."""

import asyncio
from pathlib import Path

import pytest

from batchrun.adapters.credentials.token import Token, load_token
from batchrun.adapters.http.transport import open_transport
from batchrun.dialects.v1 import V1
from batchrun.domain.frozen import copied
from batchrun.ports import TransportError
from tests.contract.raw_server import (
    GET,
    OK,
    POST,
    SECRET,
    Server,
    answering,
    closes_without_an_answer,
    permit,
    served,
    unauthorized_unless,
    virtual,
)
from tests.support.virtual import StillClock

POST_OF_ROW = copied(POST, row=7)


class Steps(list[str]):
    """Records the marks, and other steps, in their order."""

    def sent(self, row: int) -> None:
        self.append(f"sent {row}")

    def not_accepted(self, row: int) -> None:
        self.append(f"not accepted {row}")

    async def permit(self) -> None:
        """A permit that takes a while."""
        await asyncio.sleep(5)
        self.append("permit")


def test_a_post_is_marked_between_its_permit_and_its_first_byte() -> None:
    async def main() -> None:
        steps = Steps()

        async def behave(_server: Server, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            steps.append("connected")
            await reader.read(1)
            steps.append("first byte")
            await reader.readuntil(b"w")
            writer.write(OK)

        async with (
            served(behave) as (_, base),
            open_transport(base, Token(SECRET), StillClock(), marks=steps) as transport,
        ):
            await transport.send(POST_OF_ROW, steps.permit)
        assert steps == ["connected", "permit", "sent 7", "first byte"]

    virtual(main())


def test_a_post_whose_connection_fails_is_not_marked() -> None:
    async def main() -> None:
        steps = Steps()
        async with served(answering(OK)) as (_, base):
            pass
        async with open_transport(base, Token(SECRET), StillClock(), marks=steps) as transport:
            with pytest.raises(TransportError) as caught:
                await transport.send(POST_OF_ROW, permit)
        assert not caught.value.sent
        assert steps == []

    virtual(main())


def test_a_post_that_is_cancelled_before_its_permit_is_not_marked() -> None:
    async def main() -> None:
        steps = Steps()
        async with (
            served(answering(OK)) as (_, base),
            open_transport(base, Token(SECRET), StillClock(), marks=steps) as transport,
        ):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(4):
                    await transport.send(POST_OF_ROW, steps.permit)
        assert steps == []

    virtual(main())


def test_a_post_without_an_answer_stays_marked() -> None:
    async def main() -> None:
        steps = Steps()
        async with (
            served(closes_without_an_answer) as (_, base),
            open_transport(base, Token(SECRET), StillClock(), marks=steps) as transport,
        ):
            with pytest.raises(TransportError) as caught:
                await transport.send(POST_OF_ROW, permit)
        assert caught.value.sent
        assert steps == ["sent 7"]

    virtual(main())


def test_a_refused_token_takes_the_mark_back_until_the_post_is_sent_again(tmp_path: Path) -> None:
    async def main() -> None:
        steps, path = Steps(), tmp_path / "token"
        path.write_text("old")
        token = load_token(path, None, None, V1())
        path.write_text("new\n")
        async with (
            served(unauthorized_unless("new")) as (_, base),
            open_transport(base, token, StillClock(), marks=steps) as transport,
        ):
            assert (await transport.send(POST_OF_ROW, steps.permit)).status == 200
        assert steps == ["permit", "sent 7", "not accepted 7", "permit", "sent 7"]

    virtual(main())


def test_requests_that_submit_no_row_are_not_marked() -> None:
    async def main() -> None:
        steps = Steps()
        async with (
            served(answering(OK)) as (_, base),
            open_transport(base, Token(SECRET), StillClock(), marks=steps) as transport,
        ):
            await transport.send(GET, permit)
            await transport.send(POST, permit)
        assert steps == []

    virtual(main())
