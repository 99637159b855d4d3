"""The ports of an engine on a worker: what it asks for comes from the driver, and what it records goes there."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from batchrun.adapters.checkpoint.parts import Parts, parts_of
from batchrun.cluster.messages import Committed, Kind
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.domain.events import RowEvent
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.errors import StorageError
from batchrun.ports import Hint, Permit, Request, Response, Transport, TransportError, Work

MAX_UNCOMMITTED = 5000
"""Changes that may wait for the driver. Beyond them the engine waits, so that a slow driver slows down sending."""


_DURABLE, _DEFERRABLE, _NOTED = (kind.value for kind in Kind)

_HAS_ENDED = frozenset({State.COMPLETED, State.FAILED})


class SentJournal:
    """`ports.Journal`: changes wait until the driver takes them, and are durable when it says so."""

    def __init__(self, on_news: Callable[[], None], on_change: Callable[[Row], None]) -> None:
        self._on_news = on_news
        self._on_change = on_change
        self._create_future = asyncio.get_running_loop().create_future
        self._records: list[tuple[Parts, int]] = []
        self._futures: tuple[list[asyncio.Future[None]], list[asyncio.Future[None]]] = ([], [])
        self._waiting: dict[tuple[int, Kind], list[asyncio.Future[None]]] = {}
        self._uncommitted = 0
        self._is_abandoned = False
        self._has_room = asyncio.Event()
        self._has_room.set()

    def abandon(self) -> None:
        """The driver is gone: nothing more is recorded, and whoever waits for it is cancelled."""
        self._is_abandoned = True
        for futures in (*self._futures, *self._waiting.values()):
            for done in futures:
                done.cancel()
        self._has_room.set()

    @property
    def is_settled(self) -> bool:
        """Whether everything was taken and is durable."""
        return not self._records and not self._uncommitted

    @property
    def has_news(self) -> bool:
        """Whether a change waits to be taken."""
        return bool(self._records)

    def record(self, row: Row, event: RowEvent, *, deferrable: bool = False) -> asyncio.Future[None]:
        """See the port."""
        kind = _DEFERRABLE if deferrable else _DURABLE
        self._add(row, event, kind)
        done = self._create_future()
        self._futures[kind].append(done)
        self._uncommitted += 1
        if self._uncommitted >= MAX_UNCOMMITTED:
            self._has_room.clear()
        return done

    async def note(self, row: Row, event: RowEvent) -> None:
        """See the port."""
        await self.room()
        self._add(row, event, _NOTED)

    def _add(self, row: Row, event: RowEvent, kind: int) -> None:
        if self._is_abandoned:
            raise StorageError("the driver of the job is gone")
        self._records.append((parts_of(row, event), kind))
        self._on_change(row)
        self._on_news()

    async def room(self) -> None:
        """See the port."""
        if not self._has_room.is_set():
            await self._has_room.wait()

    async def record_upload(self, digest: str, reference: str) -> None:
        """See the port: a job that uploads files runs in one process."""
        raise NotImplementedError

    def take(self, number: int) -> Sequence[tuple[Parts, int]]:
        """The changes for the report `number`."""
        records, self._records = self._records, []
        for kind, futures in zip((Kind.DURABLE, Kind.DEFERRABLE), self._futures, strict=True):
            if futures:
                self._waiting[number, kind] = futures
        self._futures = ([], [])
        return records

    def committed(self, found: Committed) -> None:
        """The driver has committed these changes."""
        futures = self._waiting.pop((found.number, found.kind))
        self._uncommitted -= len(futures)
        if self._uncommitted < MAX_UNCOMMITTED:
            self._has_room.set()
        for position, done in enumerate(futures):
            if done.done():
                continue
            if (error := found.errors.get(position)) is None:
                done.set_result(None)
            else:
                done.set_exception(error)


class LeasedRows:
    """`ports.RowSource` and `ports.Lookup` over the rows that the driver has given to this worker."""

    def __init__(self, tally: Tally, on_news: Callable[[], None]) -> None:
        self._tally = tally
        self._on_news = on_news
        self._queued: deque[Work] = deque()
        self._returned: list[Row] = []
        self._wanted: list[int] = []
        self._values: dict[int, list[asyncio.Future[Sequence[object]]]] = {}
        self.rows: dict[int, Row] = {}
        """The rows of this worker that have not ended, as they came. A later state is in the engine."""
        self.last_completed: Row | None = None
        self.exhausted_at_driver = False
        self.is_open = True
        """See `RowSource`."""

    def add(self, rows: Sequence[Work]) -> None:
        """The driver gives these rows."""
        self._queued.extend(rows)
        self._tally.total += len(rows)

    @property
    def queued(self) -> int:
        """Rows that the engine has not asked for yet."""
        return len(self._queued)

    @property
    def has_news(self) -> bool:
        """Whether the driver is to be asked for something."""
        return bool(self._returned or self._wanted)

    async def next(self) -> Work | None:
        """See `RowSource`."""
        return self._queued.popleft() if self._queued else None

    @property
    def exhausted(self) -> bool:
        """See `RowSource`."""
        return self.exhausted_at_driver and not self._queued

    def recall(self, row: Row) -> None:
        """See `RowSource`: the driver reads its columns, and gives it to whoever has room."""
        self._returned.append(row)
        self._tally.total -= 1
        self._on_news()

    def take_returned(self) -> Sequence[Row]:
        """The rows that were recalled since the last call."""
        returned, self._returned = self._returned, []
        return returned

    def take_wanted(self) -> Sequence[int]:
        """The rows whose columns were asked for since the last call."""
        wanted, self._wanted = self._wanted, []
        return wanted

    # -- Lookup

    def find(self, row: int) -> Row | None:
        """See `Lookup`."""
        return self.rows.get(row)

    def completed(self) -> Row | None:
        """See `Lookup`."""
        return self.last_completed

    def reference(self, digest: str) -> tuple[str, int] | None:  # noqa: ARG002 - see `SentJournal.record_upload`
        """See `Lookup`."""
        return None

    async def values(self, row: int) -> Sequence[object]:
        """See `Lookup`."""
        if row not in self._values:
            self._wanted.append(row)
            self._on_news()
        found: asyncio.Future[Sequence[object]] = asyncio.get_running_loop().create_future()
        self._values.setdefault(row, []).append(found)
        return await found

    def on_values(self, row: int, values: Sequence[object] | None) -> None:
        """The driver has read the columns of a row; None: it could not."""
        for found in self._values.pop(row, []):
            if found.done():
                continue
            if values is None:
                found.set_exception(StorageError(f"row {row} cannot be read"))
            else:
                found.set_result(values)

    def on_change(self, row: Row) -> None:
        """A change of this row is about to be recorded."""
        if row.state is State.COMPLETED and row.run_id is not None:
            self.last_completed = row
        if row.state in _HAS_ENDED:
            self.rows.pop(row.row, None)
        else:
            self.rows[row.row] = row


class ForwardedCallbacks:
    """`ports.Callbacks`: the driver receives them."""

    def __init__(self, addresses: CallbackAddresses) -> None:
        self.address = addresses.of
        self._hints = asyncio.Queue[Hint]()

    def forward(self, hint: Hint) -> None:
        """A callback about a row of this worker has arrived."""
        self._hints.put_nowait(hint)

    async def next(self) -> Hint:
        """See the port."""
        return await self._hints.get()


class FencedTransport:
    """Sends nothing once the lease of the worker is over, whatever happened between a permit and the first byte.

    `is_valid`: whether the lease is valid by a clock that runs while the machine sleeps.
    """

    def __init__(self, transport: Transport, is_valid: Callable[[], bool]) -> None:
        self._transport = transport
        self._is_valid = is_valid

    async def send(self, request: Request, permit: Permit) -> Response:
        """See the port."""

        async def fenced() -> None:
            await permit()
            if not self._is_valid():
                raise TransportError("the driver of the job does not answer", sent=False)

        return await self._transport.send(request, fenced)
