"""A token that expires: it is issued once for all who need it, and renewed in time."""

import asyncio
import threading
from collections.abc import Callable, Coroutine

import pytest

from batchrun.adapters.credentials.issued_token import RETRY_SECONDS, IssuedToken, IssuedValue
from batchrun.adapters.credentials.secret import Secret
from batchrun.ports import NoTokenError, TransportError
from tests.support.virtual import run_virtual

OUTAGE = TransportError("no answer", sent=False)
REFUSED = NoTokenError("invalid client")


class Issuer:
    """Issues `token-1`, `token-2` and so on, or fails as it is told."""

    def __init__(self, lifetime: float = 900.0) -> None:
        self.lifetime = lifetime
        self.asked = 0
        self.failure: TransportError | None = None
        self.go_on: threading.Event | None = None

    def issue(self) -> IssuedValue:
        self.asked += 1
        number = self.asked
        if self.go_on is not None:
            assert self.go_on.wait(10)
        if self.failure is not None:
            raise self.failure
        return IssuedValue(f"token-{number}", self.lifetime)


def is_token(secret: Secret, number: int) -> bool:
    return secret.is_same(f"token-{number}")


async def together(count: int, call: Callable[[], Coroutine[None, None, object]]) -> list[object]:
    """What `count` concurrent calls return or raise."""

    async def outcome() -> object:
        try:
            return await call()
        except TransportError as error:
            return error

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome()) for _ in range(count)]
    return [task.result() for task in tasks]


def test_nothing_is_issued_before_the_first_request_and_then_once_for_all() -> None:
    issuer = Issuer()
    token = IssuedToken(issuer)

    async def main() -> None:
        assert issuer.asked == 0
        secrets = await together(500, token.current)
        assert all(isinstance(secret, Secret) and is_token(secret, 1) for secret in secrets)
        assert issuer.asked == 1

    run_virtual(main())


@pytest.mark.parametrize(("lifetime", "kept"), [(900.0, 810.0), (7200.0, 6900.0), (86400.0, 86100.0), (2.0, 1.8)])
def test_it_is_renewed_a_tenth_of_its_life_or_five_minutes_before_its_end(lifetime: float, kept: float) -> None:
    issuer = Issuer(lifetime)
    token = IssuedToken(issuer)

    async def main() -> None:
        for number in (1, 2, 3):
            assert is_token(await token.current(), number)
            await asyncio.sleep(kept - 0.01)
            assert is_token(await token.current(), number)
            await asyncio.sleep(0.02)

    run_virtual(main())


@pytest.mark.parametrize("lifetime", [0.0, -10_000.0])
def test_an_end_in_the_past_proves_clocks_that_differ_and_it_is_kept_until_refused(lifetime: float) -> None:
    issuer = Issuer(lifetime)
    token = IssuedToken(issuer)

    async def main() -> None:
        first = await token.current()
        await asyncio.sleep(100_000)
        assert await token.current() is first
        assert await token.renew(first)
        assert is_token(await token.current(), 2)

    run_virtual(main())


def test_while_one_renews_it_the_others_use_the_one_that_is_still_valid() -> None:
    issuer = Issuer()
    token = IssuedToken(issuer)

    async def main() -> None:
        await token.current()
        await asyncio.sleep(850)
        issuer.go_on = threading.Event()
        async with asyncio.TaskGroup() as group:
            renewing = group.create_task(token.current())
            await asyncio.sleep(0)
            for _ in range(20):
                assert is_token(await token.current(), 1)
            issuer.go_on.set()
        assert is_token(renewing.result(), 2)
        assert issuer.asked == 2

    run_virtual(main())


@pytest.mark.parametrize("failure", [OUTAGE, REFUSED])
def test_a_renewal_that_fails_leaves_the_token_and_is_tried_again_after_a_while(failure: TransportError) -> None:
    issuer = Issuer()
    token = IssuedToken(issuer)

    async def main() -> None:
        first = await token.current()
        await asyncio.sleep(850)
        issuer.failure = failure
        assert await together(20, token.current) == [first] * 20
        assert issuer.asked == 2
        await asyncio.sleep(RETRY_SECONDS - 0.01)
        assert await token.current() is first
        assert issuer.asked == 2
        await asyncio.sleep(0.02)
        issuer.failure = None
        assert is_token(await token.current(), 3)

    run_virtual(main())


def test_all_who_are_refused_at_once_share_one_renewal() -> None:
    issuer = Issuer()
    token = IssuedToken(issuer)

    async def main() -> None:
        first = await token.current()
        assert await together(500, lambda: token.renew(first)) == [True] * 500
        assert issuer.asked == 2
        assert await token.renew(first), "a straggler takes what there is now"
        assert issuer.asked == 2

    run_virtual(main())


def test_they_share_its_failure_too() -> None:
    issuer = Issuer()
    token = IssuedToken(issuer)

    async def main() -> None:
        issuer.failure = OUTAGE
        assert await together(500, token.current) == [OUTAGE] * 500
        assert issuer.asked == 1
        issuer.failure = None
        first = await token.current()
        issuer.failure = OUTAGE
        assert await together(500, lambda: token.renew(first)) == [OUTAGE] * 500
        assert issuer.asked == 3
        issuer.failure = REFUSED
        assert await together(500, lambda: token.renew(first)) == [False] * 500
        assert token.trouble == "invalid client"
        issuer.failure = None
        assert await token.renew(first)
        assert token.trouble == ""

    run_virtual(main())


def test_it_does_not_show_itself() -> None:
    token = IssuedToken(Issuer())

    async def main() -> None:
        secret = await token.current()
        for thing in (token, secret, vars(token)):
            assert "token-1" not in f"{thing!r} {thing!s}"

    run_virtual(main())
