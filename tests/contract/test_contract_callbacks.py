"""The callback receiver over real loopback sockets: where it listens, and what it takes from a callback."""

from collections.abc import AsyncIterator

import pytest

from batchrun.adapters.callback_receiver import (
    open_receiver,
    refuse_taken,
)
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.errors import InputError
from batchrun.ports import Hint
from tests.contract.callback_stand import BODY, Stand, free_port, over_http, stand
from tests.support.virtual import run_virtual


def test_a_callback_names_its_attempt_and_the_run_of_its_body() -> None:
    async def talk(one: Stand) -> None:
        assert await one.post(one.address()) == 200
        assert await one.heard() == Hint(7, 2, "run_1")

    over_http(talk)


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_it_listens_on_the_given_address(host: str) -> None:
    async def talk(one: Stand) -> None:
        assert await one.post(one.address()) == 200

    over_http(talk, host)


@pytest.mark.parametrize(
    "body",
    [None, b"", b"hello", b"[1]", b"null", b'{"run_id":7.5e3000', b'{"run_id":""}', b'{"run_id":["a"]}', b"\xff\xfe",
     b'{"run_id":"' + b"x" * 600 + b'"}', b"[" * 60_000, b"<html>", b"run_id=1"],
    ids=lambda body: repr(body)[:20],
)  # fmt: skip
def test_a_body_of_any_sort_is_taken_and_names_no_run(body: bytes | None) -> None:
    async def talk(one: Stand) -> None:
        assert await one.post(one.address(), body) == 200
        assert await one.heard() == Hint(7, 2, None)

    over_http(talk)


def test_a_dialect_that_raises_loses_the_name_of_the_run_and_not_the_callback() -> None:
    def raises(_body: bytes) -> str | None:
        raise KeyError("a mistake")

    async def talk(one: Stand) -> None:
        assert await one.post(one.address()) == 200
        assert await one.heard() == Hint(7, 2, None)

    over_http(talk, run_id_of=raises)


def test_a_body_in_pieces_is_read_whole() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for place in range(0, len(BODY), 5):
            yield BODY[place : place + 5]

    async def talk(one: Stand) -> None:
        assert await one.request("POST", one.address(), data=pieces()) == 200
        assert await one.heard() == Hint(7, 2, "run_1")

    over_http(talk)


def test_a_client_that_waits_for_leave_to_send_gets_it() -> None:
    async def talk(one: Stand) -> None:
        assert await one.request("POST", one.address(), data=BODY, expect100=True) == 200
        assert (await one.heard()).run_id == "run_1"

    over_http(talk)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH"])
def test_other_methods_are_refused(method: str) -> None:
    async def talk(one: Stand) -> None:
        assert await one.request(method, one.address()) == 405
        assert await one.quiet()

    over_http(talk)


def test_what_proves_nothing_is_not_there() -> None:
    async def talk(one: Stand) -> None:
        good = one.address()
        for url in (one.base_url, f"{one.base_url}/", good[:-1], good + "x", good + "/", good.replace("/7.", "/8.")):
            assert await one.post(url) == 404
            assert await one.request("GET", url) == 404
        assert await one.quiet()
        assert await one.post(good + "?a=b") == 200
        assert await one.post(good.replace("/hooks", "")) == 200

    over_http(talk)


def test_nothing_is_left_when_the_job_ends() -> None:
    async def main() -> None:
        async with stand() as one:
            _, writer = await one.raw(one.head("Content-Length: 100"))
        async with stand():
            refuse_taken(one.host, one.port)  # the old one is free again
        writer.close()

    run_virtual(main())


def test_a_port_in_use_is_reported() -> None:
    async def talk(one: Stand) -> None:
        with pytest.raises(InputError, match=f"--callback-listen 127.0.0.1, port {one.port}: cannot listen there"):
            refuse_taken(one.host, one.port)
        with pytest.raises(BaseException, match="cannot listen there"):
            async with open_receiver(one.host, one.port, CallbackAddresses("http://x", b"k"), lambda _body: None):
                pass

    over_http(talk)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "203.0.113.7", "::2"])
def test_a_foreign_host_is_reported(host: str) -> None:
    with pytest.raises(InputError, match="cannot listen there"):
        refuse_taken(host, free_port())
