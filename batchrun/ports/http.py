"""Requests and answers, and what sends them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from batchrun.dialects.base import ApiRequest
from batchrun.domain.frozen import Frozen
from batchrun.domain.user_info import without_user_info


class Content(Protocol):
    """The body of an upload, which is streamed. It may be read more than once."""

    @property
    def type(self) -> str:
        """Its `Content-Type`."""
        ...

    @property
    def size(self) -> int:
        """Its length in bytes."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes, `size` in all. Raises `UnusableFileError` instead of the last ones if the file has changed."""
        ...


class Request(ApiRequest, frozen=True):
    """One HTTP request, with its timeout in seconds. `content`: the body of an upload, which then has no `body`.

    `row`: the row that the request submits; None for all other requests.
    """

    timeout: float = 30.0
    content: Content | None = None
    row: int | None = None

    @classmethod
    def of(cls, api_request: ApiRequest, timeout: float, row: int | None = None) -> "Request":
        """The request of a dialect, with a timeout."""
        return cls(api_request.method, api_request.path, api_request.body, timeout, None, row)


HEADERS_READ = ("retry-after", "date", "x-tt-logid", "x-log-id")
"""The headers of an answer that are used."""


class Response(Frozen, frozen=True, weakref=True, gc=True):
    """A complete answer, with the headers of `HEADERS_READ`; their names are in lower case.

    Several values of `retry-after` are joined by line feeds. Of other headers, the first one counts.

    Drop it when it has been recorded: a transport may hold back other answers as long as it is in memory.

    `received_at` is the wall clock time in UTC milliseconds.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})
    received_at: int = 0
    token_error: str = ""
    """If the service refused the token: why the token could not be renewed."""

    @property
    def token_hint(self) -> str:
        """`token_error` as a suffix for the message about a refusal."""
        return f" ({self.token_error})" if self.token_error else ""


class TransportError(Exception):
    """No complete answer was received.

    `sent` is False only if the service provably received no byte of the request. `timed_out`: the request was sent, and
    its timeout expired. `permanent`: to wait would not help, because the server is not trusted or not the right one.
    """

    def __init__(self, message: str, *, sent: bool, timed_out: bool = False, permanent: bool = False) -> None:
        super().__init__(without_user_info(message))
        self.sent = sent
        self.timed_out = timed_out
        self.permanent = permanent


class NoTokenError(TransportError):
    """The request was not sent, because its token was refused by who issues it. To send it again would not help."""

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


Permit = Callable[[], Awaitable[None]]
"""Waits for permission to send. A transport calls it last: with an open connection, before it sends the first byte."""


class Transport(Protocol):
    """Sends requests to the service. Nothing else leaves the process."""

    async def send(self, request: Request, permit: Permit) -> Response:
        """Send a request once and return the answer, whatever its status. Raises `TransportError` if none came."""
        ...
