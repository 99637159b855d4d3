"""The records that tell how a job goes, typed: with `--progress json` one a line, from Python one a call.

In JSON each is an object whose `event` is the record's name in lower case. Times are UTC, in JSON as ISO 8601 text;
durations are in seconds. Fields may be added, so a reader should let those pass that it does not know.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import msgspec

Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    """What all records have."""

    at: Moment
    """When it was told (UTC)."""


class _Counted(Event, frozen=True, kw_only=True):
    rows: int
    """Rows of the job: always the sum of the six states that follow."""
    completed: int
    """Rows that are completed."""
    failed: int
    """Rows that ended failed."""
    timed_out: int
    """Rows whose run did not end in time."""
    in_doubt: int
    """Rows that were sent and never answered."""
    running: int
    """Rows that are accepted and not ended, or being submitted."""
    queued: int
    """Rows that wait to be submitted."""
    reused: int
    """Rows among the completed that were taken over from earlier jobs."""


class Start(_Counted, frozen=True, kw_only=True):
    """The work begins; the counts are what earlier commands left."""

    folder: str
    """The run directory."""
    job: Mapping[str, Any]
    """What identifies the job: `input`, `workflow_id`, `simulate`."""


class Progress(_Counted, frozen=True, kw_only=True):
    """How far the job is: every two seconds, and once at the end."""

    in_flight: int
    """Runs accepted and not ended, POSTs in the air included."""
    submissions: int
    """POSTs of this session that left."""
    polls: int
    """Polls of this session that left."""
    throttled: int
    """Answers of this session that were a 429."""
    rate: float | None
    """Rows ended a second, over the last minute of this session; null while none has ended."""
    eta_s: float | None
    """Seconds until the rest is done at that rate; null where there is none."""
    elapsed_s: float
    """Seconds since the work of this session began."""


class Log(Event, frozen=True, kw_only=True):
    """A line of the log."""

    level: str
    """`info`, `progress`, `warning` or `error`."""
    message: str
    """The line."""


class Stopping(Event, frozen=True, kw_only=True):
    """A signal, a limit or the service ends the job before its time; it may take a while until it has ended."""

    reason: str
    """Why."""
    exit_code: int
    """The exit code that this leads to, where nothing weightier comes and rows are left."""
    collect: bool
    """Whether runs already accepted are polled to their end; otherwise they are left for the next command."""


class End(Event, frozen=True, kw_only=True):
    """The work has ended, and everything is written down; the last record."""

    exit_code: int
    """The exit code of the command."""
    reason: str | None
    """Why the job stopped before its end; null where it did not."""
    next: str | None
    """The command to run next; null where nothing is left to do."""
    summary: dict[str, Any]
    """The figures, as `--json` and `summary.json` have them."""


class Error(Event, frozen=True, kw_only=True):
    """A mistake or a fault that kept the command from its work; the last record, and often the only one."""

    exit_code: int
    """The exit code of the command."""
    message: str
    """What is wrong, where, and what to do: a line for each mistake."""
    traceback: str | None = None
    """Where in the code it was found; with `-v` only."""


AnyRecord: TypeAlias = Start | Progress | Log | Stopping | End | Error
"""Every record there is: `msgspec.json.decode(line, type=AnyRecord)` reads a line."""


def moment(ms: int) -> datetime:
    """The time so many milliseconds after 1970 (UTC)."""
    return datetime.fromtimestamp(ms / 1000, UTC)
