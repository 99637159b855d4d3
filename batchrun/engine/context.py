"""What the parts of the engine share in one session: the ports, and the state that both loops work on."""

from dataclasses import dataclass

from batchrun.dialects.base import Dialect
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from batchrun.engine.admission import Admission
from batchrun.engine.answer_check import AnswerCheck
from batchrun.engine.backlog import Backlog
from batchrun.engine.connections import Connections
from batchrun.engine.in_flight import InFlightLimit
from batchrun.engine.settings import Settings
from batchrun.engine.stopping import StopRequest
from batchrun.engine.transitions import Transitions
from batchrun.ports import Callbacks, Clock, Files, Journal, Lookup, RateLimiter, RowSource, Transport


@dataclass(frozen=True, slots=True)
class Ports:
    """The world outside, as the engine is given it for one session."""

    transport: Transport
    source: RowSource
    journal: Journal
    lookup: Lookup
    clock: Clock
    submit_limiter: RateLimiter
    poll_limiter: RateLimiter
    callbacks: Callbacks | None = None
    upload_limiter: RateLimiter | None = None
    files: Files | None = None
    """The local files of the rows; None if the job sends none."""


@dataclass(frozen=True, slots=True)
class Context:
    """One for each session; every part of the engine takes from it what it needs."""

    settings: Settings
    dialect: Dialect
    mapping: ColumnMapping
    transport: Transport
    callbacks: Callbacks | None
    lookup: Lookup
    transitions: Transitions
    counters: Counters
    answer_check: AnswerCheck
    backlog: Backlog
    admission: Admission
    in_flight: InFlightLimit
    connections: Connections
    stopping: StopRequest

    @property
    def may_submit(self) -> bool:
        """Whether a row is queued or being submitted, and another run may be in flight."""
        has_rows = self.transitions.tally[State.QUEUED] > 0 or self.admission.submits.outstanding > 0
        return has_rows and self.stopping.reason is None and self.in_flight.has_room
