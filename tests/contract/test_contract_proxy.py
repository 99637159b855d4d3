"""Requests through a proxy from the environment, as the proxy receives them."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from batchrun.adapters.credentials.token import Token
from batchrun.adapters.http.proxies import Proxy
from batchrun.adapters.http.transport import open_transport
from batchrun.ports import Request, TransportError
from tests.support.marked_secrets import FORMS
from tests.support.virtual import StillClock, run_virtual

SECRET = "pat_a_token_for_tests"
POST = Request("POST", "/v1/workflow/run", b"{}")
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
PASSWORD = "Basic " + base64.b64encode(b"user:word").decode()


@asynccontextmanager
async def proxy(answer: bytes, *, close: bool = False) -> AsyncIterator[tuple[list[bytes], str]]:
    """A proxy that answers by itself, the heads it has seen, and its address with a password.

    `close`: it closes the connection after its first answer.
    """
    heads: list[bytes] = []

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                heads.append(head)
                if head.startswith(b"POST"):
                    await reader.readexactly(2)
                writer.write(answer)
                if close:
                    break
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield heads, f"http://user:word@127.0.0.1:{port}"
    finally:
        listener.close()


async def permit() -> None:
    """A permit that is granted at once."""


def test_a_plain_request_names_the_whole_address_and_brings_the_password(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with proxy(OK) as (heads, address):
            monkeypatch.setenv("http_proxy", address)
            async with open_transport("http://service.invalid/base", Token(SECRET), StillClock()) as transport:
                for request in (POST, POST, Request("GET", "/v1/workflow/history/1?a=b")):
                    assert (await transport.send(request, permit)).status == 200
        lines = [head.split(b"\r\n")[0] for head in heads]
        assert lines == [
            b"POST http://service.invalid/base/v1/workflow/run HTTP/1.1",
            b"POST http://service.invalid/base/v1/workflow/run HTTP/1.1",
            b"GET http://service.invalid/base/v1/workflow/history/1?a=b HTTP/1.1",
        ]
        for head in heads:
            assert b"\r\nHost: service.invalid\r\n" in head
            assert b"\r\nProxy-Authorization: " + PASSWORD.encode() in head
            assert b"\r\nAuthorization: Bearer " + SECRET.encode() in head

    run_virtual(main())


def test_an_encrypted_one_goes_through_a_tunnel_and_the_token_is_not_shown_to_the_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        async with proxy(refusal(403)) as (heads, address):
            await refused_by(address, monkeypatch)
        (head,) = heads
        assert head.startswith(b"CONNECT service.invalid:443 HTTP/1.1\r\n")
        assert b"\r\nProxy-Authorization: " + PASSWORD.encode() in head
        assert SECRET.encode() not in head

    run_virtual(main())


def refusal(status: int) -> bytes:
    return f"HTTP/1.1 {status} No way\r\nContent-Length: 0\r\n\r\n".encode()


async def refused_by(address: str, monkeypatch: pytest.MonkeyPatch, base: str = "https://service.invalid") -> str:
    """Send through the proxy, and return the message of the error, which proves that nothing was sent."""
    monkeypatch.setenv(f"{base.partition(':')[0]}_proxy", address)
    async with open_transport(base, Token(SECRET), StillClock()) as transport:
        with pytest.raises(TransportError) as caught:
            await transport.send(POST, permit)
    assert not caught.value.sent
    assert "user" not in f"{caught.value!r}".replace("its user", "")
    assert "word" not in f"{caught.value!r}".replace("password", "")
    return str(caught.value)


@pytest.mark.parametrize("status", [301, 400, 403, 407, 429, 502, 503, 504])
def test_what_the_proxy_refuses_is_called_its_refusal(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with proxy(refusal(status)) as (_, address):
            said = await refused_by(address, monkeypatch)
            assert said.startswith(f"the proxy {address.partition('@')[2]} refused: {status} No way")

    run_virtual(main())


def test_a_proxy_of_plain_requests_that_wants_a_password_has_passed_nothing_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        for answer in (refusal(407), b"HTTP/1.1 407 No\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000):
            async with proxy(answer) as (_, address):
                said = await refused_by(address, monkeypatch, "http://service.invalid")
                assert said.startswith(f"the proxy {address.partition('@')[2]} refused: 407")

    run_virtual(main())


@pytest.mark.parametrize("answer", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nno TLS at all", b""])
def test_whatever_else_goes_wrong_on_the_way_names_the_proxy(answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with proxy(answer, close=True) as (_, address):
            assert f"the proxy {address.partition('@')[2]}" in await refused_by(address, monkeypatch)
        said = await refused_by(address, monkeypatch)  # nobody listens there now
        assert said.startswith(f"the proxy {address.partition('@')[2]} cannot be reached: ")

    run_virtual(main())


def test_a_password_beyond_latin_letters_is_sent_in_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with proxy(refusal(403)) as (heads, address):
            await refused_by(address.replace("user:word", "user:密码%2F"), monkeypatch)
        assert b"Proxy-Authorization: Basic " + base64.b64encode("user:密码/".encode()) in heads[0]

    run_virtual(main())


@pytest.mark.parametrize("form", FORMS)
def test_the_password_that_a_proxy_repeats_is_masked_in_every_form(form: str) -> None:
    credentials = base64.b64encode(b"alice:pass/word+1&2").decode()
    proxy = Proxy(URL("http://proxy.test:3128"), f"Basic {credentials}", ("pass/word+1&2", credentials))
    for secret in proxy.secrets:
        said = FORMS[form](secret).encode()
        for refusal in (True, False):
            assert said not in proxy.masked(b"<p>" + said + b"</p>", refusal=refusal)
        assert said.decode() not in proxy.refusal(407, said.decode())
    short = Proxy(URL("http://proxy.test:3128"), None, ("word",))
    assert short.masked(b"a word", refusal=False) == b"a word"
    assert short.masked(b"a word", refusal=True) == b"a ***"
