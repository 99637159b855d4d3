"""Where rows come from, where their changes are recorded, and what tells of their runs."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Protocol

from batchrun.dialects.base import Inputs
from batchrun.domain.events import Adopted, Held, Reused, RowEvent
from batchrun.domain.frozen import Frozen
from batchrun.domain.row import Row


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
    `earlier`: what an earlier job knows of the same row; the row then takes this event and is not submitted.
    `inputs`: the inputs as they are sent, if they are known already: as JSON text, if the reuse key was made from that
    text, or with the references of uploaded files. `digests`: the digests of the row's files, by path, from which the
    reuse key was made.
    """

    row: Row
    values: Sequence[object]
    reuse_key: bytes | None = None
    earlier: Reused | Adopted | Held | None = None
    inputs: Inputs | None = None
    digests: Mapping[str, str] | None = None


class RowSource(Protocol):
    """The rows that are still to be submitted, in input order.

    A row in state `timed_out` is to be submitted again, but must be polled once more before.
    """

    async def next(self) -> Work | None:
        """The next row; None if there is none now. Raises `StorageError` if the input can no longer be read."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether `next` has no row, and none is expected, unless one is recalled."""
        ...

    @property
    def is_open(self) -> bool:
        """Whether rows may still come from elsewhere, even if it is exhausted. The engine then goes on."""
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
