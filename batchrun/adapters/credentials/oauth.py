"""The tokens of a service app: it signs a request with its key, and the service issues a token (RFC 7523).

cozepy, of the extra `oauth`, signs and sends the request.
"""

import asyncio
import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from batchrun.adapters.clock import WallClock
from batchrun.adapters.credentials.issued_token import IssuedValue
from batchrun.adapters.credentials.oauth_config import read_config
from batchrun.adapters.credentials.sources import checked
from batchrun.dialects.base import head
from batchrun.dialects.coze_codes import KINDS
from batchrun.domain.answers import RefusalKind
from batchrun.errors import InputError
from batchrun.ports import Clock, NoTokenError, TransportError

MAX_DRAWS = 5
"""How often an identifier is drawn for one request of a token."""

TOKEN_SECONDS = 7200
"""The requested lifetime of a token in seconds."""

EXCHANGE_TIMEOUT = 30.0
"""Seconds for one request for a token."""

_SIGNED = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*")
"""A signed request (RFC 7515), which the service may repeat in a refusal."""

_FOR_NOW = frozenset({RefusalKind.THROTTLED, RefusalKind.BUSY})


class OAuthApp:
    """Requests tokens for a service app. Raises `InputError` if its config has mistakes."""

    def __init__(self, path: Path, *, allow_insecure: bool = False, clock: Clock | None = None) -> None:
        self._path = path
        self._app = read_config(path, allow_insecure=allow_insecure)
        self._clock = clock or WallClock()
        self.base_url = self._app.coze_api_base
        """The service that issues the tokens, and for which they are valid."""

    def __str__(self) -> str:
        return f"--oauth-config {self._path}"

    def issue(self) -> IssuedValue:
        """Request a token. Blocks. Raises `NoTokenError` if it is refused, and `TransportError` in an outage."""
        cozepy, httpx = import_module("cozepy"), import_module("httpx")
        try:
            with _silenced("cozepy"):
                token = asyncio.run(self._request(cozepy))
            if not token.access_token:
                raise LookupError
            value, expires_at = checked(token.access_token, str(self)), token.expires_in
        except TimeoutError:
            raise self._unavailable(f"no answer within {EXCHANGE_TIMEOUT:g} s") from None
        except (httpx.HTTPError, OSError) as error:
            raise self._unavailable(" ".join(str(error).split()) or type(error).__name__) from None
        except cozepy.CozeError as error:
            if _is_for_now(getattr(error, "code", None)):
                raise self._unavailable(_shown(str(error))) from None
            raise self._refused(_shown(str(error))) from None
        except InputError as error:
            raise NoTokenError(str(error)) from None
        except (ImportError, httpx.InvalidURL) as error:  # of a proxy; httpx needs another package for some
            raise NoTokenError(f"{self}: {error}") from None
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            # cozepy could not read the answer. The error may hold all of it, so it is not shown.
            if (code := _error_code(error)) is not None:
                raise self._refused(_shown(code)) from None
            raise self._unavailable("there is none in its answer") from None
        return IssuedValue(value, expires_at - self._clock.now() / 1000)

    async def _request(self, cozepy: Any) -> Any:
        app = self._app
        # A client of its own for each request: a client belongs to its event loop.
        client = cozepy.AsyncJWTOAuthApp(app.client_id, app.private_key, app.public_key_id, app.coze_api_base)
        async with asyncio.timeout(EXCHANGE_TIMEOUT):
            for _ in range(MAX_DRAWS):
                try:
                    return await client.get_access_token(TOKEN_SECONDS)
                except Exception as error:
                    # The identifier that cozepy draws may look like a card number, which authlib refuses to sign.
                    if type(error).__name__ != "InsecureClaimError":
                        raise
                    reason = str(error)
        raise InputError(f"{self}: its claims cannot be signed: {reason}")  # another claim than the drawn one

    def _refused(self, reason: str) -> NoTokenError:
        return NoTokenError(f"{self}: {self.base_url} refused to issue a token: {reason}")

    def _unavailable(self, reason: str) -> TransportError:
        return TransportError(f"{self}: no token from {self.base_url}: {reason}", sent=False)


def _is_for_now(code: int | None) -> bool:
    """Whether a refusal may pass. An answer that is not JSON has its HTTP status as its code."""
    if code is not None and code < 600:
        return code in {408, 429} or not 400 <= code < 500
    return KINDS.get(str(code)) in _FOR_NOW


def _error_code(error: Exception) -> str | None:
    """The error code in an answer that has no message, which cozepy takes for a token."""
    answer = error.errors()[0]["input"] if isinstance(error, ValidationError) else None
    code = answer.get("error_code") or answer.get("error") if isinstance(answer, dict) else None
    return code if isinstance(code, str) else None


def _shown(message: str) -> str:
    return head(_SIGNED.sub("***", message).encode())


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Drop the log records of this thread. cozepy logs refusals by itself, and at level DEBUG the token."""
    logger, thread = logging.getLogger(name), threading.get_ident()

    def is_other(record: logging.LogRecord) -> bool:
        return record.thread != thread

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
