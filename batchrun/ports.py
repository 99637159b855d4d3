"""The interfaces through which the engine uses the outside world. `adapters` implements them; `tests` has fakes."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from batchrun.dialects.base import ApiRequest, Inputs
from batchrun.domain.events import Reused, RowEvent
from batchrun.domain.frozen import Frozen
from batchrun.domain.row import Row
from batchrun.domain.user_info import without_user_info


class Clock(Protocol):
    """The wall clock, for times that are recorded or shown. Intervals use event loop time."""

    def now(self) -> int:
        """UTC in whole milliseconds since 1970."""
        ...


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


class RateLimiter(Protocol):
    """Limits the rate of one class of requests."""

    async def approach(self, ahead: Callable[[], int], lead: float) -> None:
        """Wait until a permit is at most `lead` seconds away. `ahead()`: the number of requests before this one.

        This keeps a request from being prepared too early. Prepared requests are in doubt if the process is killed.
        """
        ...

    def is_near(self, ahead: int, lead: float) -> bool:
        """Whether `approach` would certainly not wait. False if this is not known at once."""
        ...

    @property
    def rate(self) -> float:
        """The maximum rate in requests per second."""
        ...

    @property
    def part(self) -> float:
        """The part of the maximum rate that this process may use, if others share it; else 1."""
        ...

    @property
    def paused_by_others_until(self) -> float:
        """The end of the last pause that was asked of another process with the same limits (event loop time)."""
        ...

    async def permit(self) -> float:
        """Wait for permission to send one request. Returns the unique time of the permit (event loop time)."""
        ...

    def answered(self, at: float) -> None:
        """The answer to the request with the permit of time `at` has arrived."""
        ...

    def slow_to(self, share: float) -> None:
        """Use this share (0 to 1) of the maximum rate from now on."""
        ...

    def pause(self, until: float) -> None:
        """Give no permit before `until` (event loop time)."""
        ...

    @property
    def saturated(self) -> bool:
        """Whether a request waits for a permit."""
        ...


class Journal(Protocol):
    """The checkpoint as the engine sees it."""

    def record(self, row: Row, event: RowEvent, *, deferrable: bool = False) -> Awaitable[None]:
        """Record `row` as it is after `event`. The result completes when it is durable, or raises `StorageError`.

        `deferrable`: the commit may be delayed, to be shared with other entries; a crash before it costs only a poll.
        """
        ...

    async def note(self, row: Row, event: RowEvent) -> None:
        """Record a row without waiting until it is durable. Waits only while the queue is full."""
        ...

    async def room(self) -> None:
        """Wait while the queue is full."""
        ...

    async def record_upload(self, digest: str, reference: str) -> None:
        """Record the reference of an uploaded file until it is durable. Raises `StorageError`."""
        ...


class Hint(Frozen, frozen=True):
    """A callback arrived at an address of this job: the run of this attempt has changed, and may have ended.

    `run_id`: the run that the body names, if any. Only a poll can prove that it is the run of this attempt.
    """

    row: int
    attempt: int
    run_id: str | None = None


class Callbacks(Protocol):
    """Issues callback addresses and receives callbacks."""

    def address(self, row: int, attempt: int) -> str:
        """The address of this attempt; the same in every session of the job."""
        ...

    async def next(self) -> Hint:
        """Wait for the next callback. Callbacks may be lost, arrive twice, or arrive at any time."""
        ...


class DuplicateRunError(Exception):
    """Another row already has this `run_id`; nothing was recorded."""


class Work(Frozen, frozen=True):
    """A row to submit: its record and the values of the mapped columns.

    In a job with `--key`, `reuse_key` identifies the row's key and inputs; it is recorded with the first intent.
    `reused`: an earlier job has completed the same row; the row then takes this event and is not submitted.
    `inputs`: the inputs as they are sent, if they are known already: as JSON text, if the reuse key was made from that
    text, or with the references of uploaded files. `digests`: the digests of the row's files, by path, from which the
    reuse key was made.
    """

    row: Row
    values: Sequence[object]
    reuse_key: bytes | None = None
    reused: Reused | None = None
    inputs: Inputs | None = None
    digests: Mapping[str, str] | None = None


class RowSource(Protocol):
    """The rows that are still to be submitted, in input order.

    A row in state `timed_out` is to be submitted again, but must be polled once more before.
    """

    async def next(self) -> Work | None:
        """The next row; None if there is none now. Raises `StorageError` if the input can no longer be read."""
        ...

    def recall(self, row: Row) -> None:
        """Make `next` return this row again."""
        ...


class Lookup(Protocol):
    """Looks up single rows that the engine does not hold in memory."""

    def find(self, row: int) -> Row | None:
        """The recorded row; None if the row has no record."""
        ...

    def completed(self) -> Row | None:
        """A completed row whose run can be polled; None if there is none."""
        ...

    def reference(self, digest: str) -> tuple[str, int] | None:
        """The recorded reference of the file with this digest, and when it was uploaded (UTC milliseconds)."""
        ...

    async def values(self, row: int) -> Sequence[object]:
        """The values of the mapped columns. Raises `StorageError` or `InputError` if the input cannot be read."""
        ...


class UnusableFileError(Exception):
    """A local file cannot be uploaded. The message says why, without its path."""


class OpenFile(Protocol):
    """A local file that is open for reading. All of it is read through one descriptor."""

    @property
    def name(self) -> str:
        """Its name, without folders."""
        ...

    @property
    def size(self) -> int:
        """Its size in bytes when it was opened."""
        ...

    @property
    def digest(self) -> str:
        """The SHA-256 of its content, in hexadecimal."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The content. Raises `UnusableFileError` instead of the last bytes if it is not that of `digest`."""
        ...

    def close(self) -> None:
        """Close the descriptor."""
        ...


class Files(Protocol):
    """The local files to which the rows refer."""

    async def open(self, path: str) -> OpenFile:
        """Open a file and read it for its digest.

        Raises `UnusableFileError`, or `StorageError` if no other file could be read either.
        """
        ...
