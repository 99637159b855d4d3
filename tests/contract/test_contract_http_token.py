"""A refused token is read again once, and no answer or error repeats a token."""

import asyncio
import logging
import threading
from pathlib import Path

import pytest

from batchrun.adapters.credentials.token import Token, load_token
from batchrun.adapters.http.transport import open_transport
from batchrun.dialects.v1 import V1
from batchrun.ports import Response, TransportError
from tests.contract.raw_server import (
    BODY,
    OK,
    POST,
    SECRET,
    answering,
    cut,
    outcome,
    permit,
    served,
    unauthorized_unless,
    virtual,
)
from tests.support.virtual import StillClock


def test_a_token_that_was_replaced_in_its_file_is_tried_once_more(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "token"
        path.write_text("old")
        token = load_token(path, None, None, V1())
        path.write_text("new\n")
        async with served(unauthorized_unless("new")) as (server, base):
            got = await outcome(base, POST, token)
        assert isinstance(got, Response)
        assert got.status == 200
        assert [seen.headers["authorization"] for seen in server.seen] == ["Bearer old", "Bearer new"]
        assert [seen.body for seen in server.seen] == [BODY, BODY]

    virtual(main())


def test_each_try_has_a_permit_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        path = tmp_path / "token"
        path.write_text("old")
        token = load_token(path, None, None, V1())
        path.write_text("new\n")
        permits = 0

        async def counted() -> None:
            nonlocal permits
            permits += 1

        async with (
            served(unauthorized_unless("new")) as (_, base),
            open_transport(base, token, StillClock()) as transport,
        ):
            assert (await transport.send(POST, counted)).status == 200
        assert permits == 2

    virtual(main())


@pytest.mark.parametrize("renewed", ["old", "another that is wrong"[:7], None])
def test_a_token_that_stays_refused_is_not_tried_again_and_again(tmp_path: Path, renewed: str | None) -> None:
    async def main() -> None:
        path = tmp_path / "token"
        path.write_text("old")
        token = load_token(path, None, None, V1()) if renewed else Token("old")
        path.write_text(renewed or "new")
        async with served(unauthorized_unless("right")) as (server, base):
            got = await outcome(base, POST, token)
        assert isinstance(got, Response)
        assert got.status == 401
        assert len(server.seen) == (2 if renewed == "another" else 1)

    virtual(main())


def test_the_token_shows_itself_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        token = Token(SECRET)
        async with (
            served(answering(OK, b"garbage\r\n\r\n")) as (_, base),
            open_transport(base, token, StillClock()) as transport,
        ):
            got = await transport.send(POST, permit)
            with pytest.raises(TransportError) as caught:
                await transport.send(POST, permit)
            shown: list[object] = [token, transport, POST, got, caught.value, caught.value.args, vars(transport)]
            for thing in shown:
                assert SECRET not in f"{thing!r} {thing!s}"

    with caplog.at_level(logging.DEBUG):
        virtual(main())
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("token", "status", "said", "kept"),
    [
        ("pat_0123456789", b"400 Bad", b"you sent Bearer pat_0123456789", b"you sent Bearer ***"),
        ("pat_0123456789", b"401 No", b"bad token pat_0123456789", b"bad token ***"),
        ("pat_0123456789", b"200 OK", b'{"status":"completed"}', b'{"status":"completed"}'),
        ("t", b"200 OK", b'{"status":"completed"}', b'{"status":"completed"}'),
        ("t", b"400 Bad", b"not right: Bearer t", b"not right: Bearer ***"),
    ],
)
def test_a_token_that_a_refusal_repeats_is_masked_and_no_other_text(
    token: str, status: bytes, said: bytes, kept: bytes
) -> None:
    async def main() -> None:
        answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(said), said)

        async def leave() -> None: ...

        async with (
            served(answering(answer)) as (_, base),
            open_transport(base, Token(token), StillClock()) as transport,
        ):
            assert (await transport.send(POST, leave)).body == kept

    virtual(main())


def test_a_request_that_waits_for_a_token_when_the_job_stops_stays_refused() -> None:
    """The 401 proves that no run was created, so the row must not be in doubt."""

    async def main() -> None:
        waiting, go_on = asyncio.Event(), threading.Event()

        class Slow:
            def read(self) -> str:
                loop.call_soon_threadsafe(waiting.set)
                assert go_on.wait(10)
                return "new-token"

        loop = asyncio.get_running_loop()
        async with (
            served(unauthorized_unless("new-token")) as (server, base),
            open_transport(base, Token("old-token", Slow()), StillClock()) as transport,
            asyncio.TaskGroup() as group,
        ):
            sending = group.create_task(transport.send(POST, permit))
            await waiting.wait()
            sending.cancel()
            go_on.set()
            assert (await sending).status == 401
        assert len(server.seen) == 1

    asyncio.run(main())


@pytest.mark.parametrize("status", [b"200 OK", b"500 Oops"])
def test_a_token_that_any_answer_repeats_is_masked(status: bytes) -> None:
    async def main() -> None:
        said = b'{"error":{"code":"X","message":"pat_\\/0123456789 pat_%2F0123456789 pat_\\u002f0123456789"}}'
        answer = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status, len(said), said)
        async with served(answering(answer)) as (_, base):
            got = await outcome(base, POST, Token("pat_/0123456789"))
            assert isinstance(got, Response)
            assert got.body == b'{"error":{"code":"X","message":"*** *** ***"}}'
        answer = b"HTTP/1.1 200 OK\r\nX-Tt-Logid: pat_/0123456789\r\nContent-Length: 2\r\n\r\n{}"
        async with served(answering(answer)) as (_, base):
            got = await outcome(base, POST, Token("pat_/0123456789"))
            assert isinstance(got, Response)
            assert got.headers == {"x-tt-logid": "***"}
        async with served(cut(b"HTTP/1.1 200 pat_/0123456789\r\nContent-Length: pat_/0123456789\r\n\r\n")) as (_, base):
            lost = await outcome(base, POST, Token("pat_/0123456789"))
            assert "0123456789" not in f"{lost!r} {lost}"

    virtual(main())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_token_is_masked_in_an_answer_in_another_encoding(encoding: str) -> None:
    async def main() -> None:
        token = "pat_0123456789" if encoding[-2:] in {"le", "be"} else "pat_\\/0123456789"
        said = f'{{"error":{{"code":"X","message":"{token}"}}}}'.encode(encoding)
        answer = b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said)
        async with served(answering(answer)) as (_, base):
            got = await outcome(base, POST, Token(token.replace("\\", "")))
            assert isinstance(got, Response)
            assert b"0123456789" not in got.body.replace(b"\0", b"")
            assert b"***" in got.body

    virtual(main())


@pytest.mark.parametrize("before", range(0, 150, 7))
def test_a_message_is_cut_after_the_token_is_masked(before: int) -> None:
    async def main() -> None:
        async with served(cut(b"x" * before + b"pat_/0123456789/abcdefghijklmnopqrstuvwxyz\r\n\r\n")) as (_, base):
            lost = await outcome(base, POST, Token("pat_/0123456789/abcdefghijklmnopqrstuvwxyz"))
            assert isinstance(lost, TransportError)
            assert "pat_" not in str(lost)

    virtual(main())


def test_a_dialect_that_raises_leaves_the_status_to_tell_whether_the_token_is_refused() -> None:
    def raises(_status: int, _body: bytes) -> bool:
        raise KeyError("a mistake")

    async def main() -> None:
        async with (
            served(answering(OK, b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")) as (server, base),
            open_transport(base, Token(SECRET), StillClock(), refuses_token=raises) as transport,
        ):
            assert [(await transport.send(POST, permit)).status for _ in range(2)] == [200, 401]
        assert len(server.seen) == 2

    virtual(main())
