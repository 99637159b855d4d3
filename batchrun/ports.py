"""What the engine needs of the world, each as small as it can be. `adapters` has the real ones, `tests` the fakes."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

import msgspec

from batchrun.dialects.base import ApiRequest
from batchrun.domain.events import Reused, RowEvent
from batchrun.domain.frozen import Frozen
from batchrun.domain.row import Row


class Clock(Protocol):
    """The wall clock. Intervals are the loop's business, only what is recorded or shown comes from here."""

    def now(self) -> int:
        """UTC in whole milliseconds since 1970."""
        ...


class Request(ApiRequest, frozen=True):
    """One HTTP request, and how many seconds it may take."""

    timeout: float = 30.0

    @classmethod
    def of(cls, asked: ApiRequest, timeout: float) -> "Request":
        """The request that a dialect has made."""
        return cls(asked.method, asked.path, asked.body, timeout)


HEADERS_READ = ("retry-after",)
"""What of an answer's headers anybody reads."""


class Response(Frozen, frozen=True):
    """One answer, whole, less the headers that nobody reads; their names are lower case.

    `received_at` is the wall clock in UTC milliseconds.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})
    received_at: int = 0
    trouble: str = ""
    """What else there is to say of a refused token: why it could not be renewed."""

    @property
    def because(self) -> str:
        """The trouble, to be put behind what is said of a refusal."""
        return f" ({self.trouble})" if self.trouble else ""


class TransportError(Exception):
    """No whole answer came.

    `sent` is False only where the service provably never saw a byte of the request; `timed_out`: the request was sent,
    and its time was over.
    """

    def __init__(self, message: str, *, sent: bool, timed_out: bool = False) -> None:
        super().__init__(message)
        self.sent = sent
        self.timed_out = timed_out


Permit = Callable[[], Awaitable[None]]
"""Waits for leave to send. A transport calls it last, when the connection stands and before the first byte."""


class Transport(Protocol):
    """The only thing that leaves the process."""

    async def send(self, request: Request, permit: Permit) -> Response:
        """Send once and return the answer, whatever its status; raises `TransportError` where none came."""
        ...


class RateLimiter(Protocol):
    """Paces one sort of request."""

    async def approach(self, ahead: Callable[[], int], lead: float) -> None:
        """Wait until a permit is `lead` seconds away, with `ahead()` requests before this one.

        So nothing is prepared too early: what is prepared and not sent is in doubt if the process is killed.
        """
        ...

    def is_near(self, ahead: int, lead: float) -> bool:
        """Whether `approach` has nothing to wait for, as far as that is known at once."""
        ...

    @property
    def rate(self) -> float:
        """The most that it gives a second."""
        ...

    async def permit(self) -> float:
        """Wait for leave to send one request now; the loop's time at which it was given, which is no other permit's."""
        ...

    def answered(self, at: float) -> None:
        """The answer to the request with the permit of `at` has come."""
        ...

    def slow_to(self, share: float) -> None:
        """Use only this share (0 to 1) of the rate from now on."""
        ...

    def pause(self, until: float) -> None:
        """Give no permit before this time of the loop."""
        ...

    @property
    def saturated(self) -> bool:
        """Whether somebody is waiting for a permit."""
        ...


class Journal(Protocol):
    """The checkpoint as the engine sees it."""

    def record(self, row: Row, event: RowEvent, *, patient: bool = False) -> Awaitable[None]:
        """Make `row`, as it is after `event`, durable; to await until it is. Raises `StorageError` when it cannot.

        `patient`: nothing is lost but a poll if it is not for a moment, so it may wait for others to share a commit.
        """
        ...

    async def note(self, row: Row, event: RowEvent) -> None:
        """The same without waiting for durability; waits only while too much is queued."""
        ...

    async def room(self) -> None:
        """Wait while too much is queued."""
        ...


class Hint(Frozen, frozen=True):
    """A callback came under an address of ours: something has happened to the run of this attempt, perhaps its end.

    `run_id`: what its body named, if anything; nothing but a poll proves that it is the run of this attempt.
    """

    row: int
    attempt: int
    run_id: str | None = None


class Callbacks(Protocol):
    """Where the service is asked to call back, and what came in."""

    def address(self, row: int, attempt: int) -> str:
        """The address for this attempt; the same in every session of the job."""
        ...

    async def next(self) -> Hint:
        """Wait for the next callback. Some may be lost, come twice, or at any time."""
        ...


class DuplicateRunError(Exception):
    """Another row already has this `run_id`; nothing was recorded."""


class Work(Frozen, frozen=True):
    """A row to submit: its record and the values of the mapped columns.

    In a job with `--key`, `reuse_key` identifies the row's key and inputs; it is recorded with the first intent.
    `reused`: an earlier job has completed the same row; the row then takes this event and is not submitted.
    `inputs`: the inputs as JSON text, if the reuse key was made from that text; they need not be encoded again.
    """

    row: Row
    values: Sequence[object]
    reuse_key: bytes | None = None
    reused: Reused | None = None
    inputs: msgspec.Raw | None = None


class RowSource(Protocol):
    """The rows that are still to be submitted, in input order.

    One whose state is `timed_out` is to be tried again, and has to be polled once more before.
    """

    async def next(self) -> Work | None:
        """The next row; None when there is none now. Raises `StorageError` when the input cannot be read any more."""
        ...

    def recall(self, row: Row) -> None:
        """Let `next` bring this row once more."""
        ...


class Lookup(Protocol):
    """What is known of a single row that is not at work."""

    def find(self, row: int) -> Row | None:
        """The row as it is recorded; None where it was never touched."""
        ...

    async def values(self, row: int) -> Sequence[object]:
        """The values of its mapped columns. Raises `StorageError` or `InputError` where the input cannot be read."""
        ...
