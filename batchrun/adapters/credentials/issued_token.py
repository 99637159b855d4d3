"""A token that expires: it is issued when it is first needed, and renewed before it expires or when it is refused."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import NamedTuple, Protocol

from batchrun.adapters.credentials.secret import Secret
from batchrun.adapters.credentials.token import Token
from batchrun.dialects.base import TokenHeaders, bearer
from batchrun.ports import NoTokenError, TransportError

RETRY_SECONDS = 5.0
"""Seconds after which a failed renewal is tried again, while the token is still valid."""


class IssuedValue(NamedTuple):
    """A token and its remaining lifetime in seconds. The lifetime is not positive if the clocks differ too much."""

    value: str
    lifetime: float


class TokenIssuer(Protocol):
    """Issues tokens."""

    def issue(self) -> IssuedValue:
        """A new token. May block. Raises `NoTokenError` if it is refused, and `TransportError` in an outage."""
        ...


def renewal_margin(lifetime: float) -> float:
    """Seconds before its end at which a token is renewed."""
    return min(lifetime / 10, 300.0)


class IssuedToken(Token):
    """The token of a `TokenIssuer`."""

    def __init__(self, issuer: TokenIssuer, *, headers: TokenHeaders = bearer) -> None:
        super().__init__("", headers=headers)
        self._issuer = issuer
        self._none_yet = self.secret
        self._due_at = float("-inf")
        self._failures = 0
        self._last_failure: TransportError | None = None

    def __reduce__(self) -> tuple[object, ...]:
        """See `Token.__reduce__`. A token is issued to each copy, whose clock may differ."""
        return partial(IssuedToken, headers=self._headers), (self._issuer,)

    def __repr__(self) -> str:
        return f"IssuedToken(from {self._issuer})"

    async def current(self) -> Secret:
        """The token. It is renewed first if it is about to expire and no other caller renews it.

        If that fails, the token is used as long as the service accepts it. Raises `TransportError` if there is none.
        """
        used = self.secret
        if used is self._none_yet:
            await self._replace(used)
        elif asyncio.get_running_loop().time() >= self._due_at and not self._lock.locked():
            with suppress(TransportError):
                await self._replace(used)
        return self.secret

    async def renew(self, refused: Secret) -> bool:
        """Renew the token after the service refused `refused`. Returns whether there is another one to try.

        Raises `TransportError` in an outage.
        """
        try:
            await self._replace(refused)
        except NoTokenError as error:
            self.trouble = str(error)
            return False
        return True

    async def _replace(self, old: Secret) -> None:
        """Request a token in place of `old`. Callers that wait for the request of another share its result."""
        failures = self._failures
        async with self._lock:
            if self.secret is not old:
                return
            if self._last_failure is not None and self._failures != failures:
                raise self._last_failure
            loop = asyncio.get_running_loop()
            try:
                value, lifetime = await loop.run_in_executor(None, self._issuer.issue)
            except TransportError as error:
                self._failures += 1
                self._last_failure = error
                self._due_at = loop.time() + RETRY_SECONDS
                raise
            self.secret, self.trouble = Secret(value, self._headers, old), ""
            self._due_at = loop.time() + lifetime - renewal_margin(lifetime) if lifetime > 0 else float("inf")
