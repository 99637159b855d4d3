"""What the driver and a worker tell each other, as bytes."""

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TypeAlias

from batchrun.adapters.checkpoint.parts import Parts
from batchrun.adapters.shared_limits.messages import Grant
from batchrun.adapters.shared_limits.messages import Report as LimitsReport
from batchrun.dialects.base import Inputs
from batchrun.domain.counters import Counters
from batchrun.domain.row import Row
from batchrun.engine.settings import EngineResult, Stop
from batchrun.ports import Hint, Work


class Kind(IntEnum):
    """How a change is to be recorded; see `ports.Journal`."""

    DURABLE = 0
    DEFERRABLE = 1
    NOTED = 2


@dataclass(frozen=True, slots=True)
class Committed:
    """The changes of one kind in the report `number` are on disk, but for those with an error, by their position."""

    number: int
    kind: Kind
    errors: Mapping[int, Exception]


PackedWork: TypeAlias = tuple[Row | int, Sequence[object], bytes | None, Inputs | None]
"""A row to submit, in a form that is quick to encode: its record, or its number if it has none; see `Work`."""


def pack(work: Work) -> PackedWork:
    """Make it ready. An earlier job knows nothing of the row, and it has no files."""
    row = work.row
    return row if row != Row(row.row) else row.row, work.values, work.reuse_key, work.inputs


def unpack(packed: PackedWork) -> Work:
    """The row of which `pack` made this."""
    row, values, reuse_key, inputs = packed
    return Work(Row(row) if isinstance(row, int) else row, values, reuse_key, inputs=inputs)


@dataclass(slots=True)
class Orders:
    """From the driver to a worker. A worker must get each of them, in order, or none after it."""

    number: int
    received: int
    """The number of the last report that has arrived."""
    rows: Sequence[PackedWork] = ()
    """Rows to submit."""
    adopted: Sequence[Row] = ()
    """Rows that are running, in doubt or timed out."""
    committed: Sequence[Committed] = ()
    values: Mapping[int, Sequence[object] | None] = field(default_factory=dict)
    """The columns of rows that the worker asked for; None: they cannot be read."""
    hints: Sequence[Hint] = ()
    grant: Grant | None = None
    allowed: int = 0
    """POSTs that it may send in addition to those that it may send already, if they are limited."""
    exhausted: bool = False
    """Whether the driver has no more rows to submit at present."""
    is_open: bool = True
    """Whether the job goes on. If not, the engine ends when its rows have ended."""
    is_opened: bool = False
    """Whether the service has accepted a row of another worker."""
    outage: Sequence[str] = ()
    """The classes of requests that fail on all workers together, as in an outage."""
    deferred: Sequence[str] = ()
    """The classes of requests of which to prepare none now: another worker probes the service."""
    probed: Sequence[str] = ()
    """The classes of requests of which to send one at a time, to find out whether the service is available."""
    stop: Stop | None = None
    patience: float = 0.0
    """Seconds to wait for something to report."""


@dataclass(slots=True)
class ClassFigures:
    """What one class of requests has come to, on one worker."""

    sent: int = 0
    unsent: int = 0
    sent_ages: Sequence[float] = ()
    """Seconds since each request since the last report was sent."""
    refused_ages: Sequence[float] = ()
    """Seconds since each request that got a 429 since the last report was sent."""
    outages: int = 0
    is_saturated: bool = False
    paused_for: float = 0.0
    """The seconds that the pause after a 429 still goes on."""
    is_probing: bool = False
    """Whether the circuit is open, and there is something to send."""
    failures: int = 0
    """Failures in a row."""
    first_failed: float = 0.0
    """Seconds since the first of them."""
    silent_for: float = float("inf")
    """Seconds since the last success."""
    failing_for: float = 0.0
    """Seconds since the service was reported unavailable; 0: it is available."""
    last_error: str = ""


@dataclass(slots=True)
class Report:
    """From a worker to the driver."""

    number: int
    received: int
    """The number of the last orders that have arrived."""
    records: Sequence[tuple[Parts, int]] = ()
    """Changes as the checkpoint writes them, and their kinds."""
    returned: Sequence[Row] = ()
    """Rows that the driver is to submit: they were given to this worker without their columns."""
    wanted: Sequence[int] = ()
    """Rows whose columns are asked for."""
    counters: Counters = field(default_factory=Counters)
    limits: LimitsReport | None = None
    allowed: int = 0
    """POSTs that it may send in all, if they are limited."""
    room: int = 0
    """How many more rows it can take."""
    tracked: int = 0
    """Runs that it polls."""
    in_flight: int = 0
    is_open: bool = False
    """Whether the service has accepted a row, and other rows may be submitted."""
    is_idle: bool = True
    """Whether every row that it got has ended or is held."""
    figures: Sequence[ClassFigures] = ()
    """Of submissions and polls."""
    stop: Stop | None = None
    """Why the job is to stop."""
    ended: EngineResult | None = None
    """The result of the engine, which has ended."""
    failure: str = ""
    """The error that ended the engine: a bug."""
    log: Sequence[tuple[int, str]] = ()
    """Lines of its log, with their levels."""


def encoded(message: Orders | Report) -> bytes:
    """The message as bytes. Only one whose Python and batchrun have the same versions can read it."""
    return pickle.dumps(message, pickle.HIGHEST_PROTOCOL)


def orders_of(message: bytes) -> Orders:
    """The orders that are encoded so."""
    orders: Orders = pickle.loads(message)
    return orders


def report_of(message: bytes) -> Report:
    """The report that is encoded so."""
    report: Report = pickle.loads(message)
    return report
