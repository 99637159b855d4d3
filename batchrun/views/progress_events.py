"""The types of the progress events: lines of `--progress json`, and arguments of a progress function in Python.

In JSON each event is an object whose `event` is the class name in lower case. Times are UTC, in JSON as ISO 8601 text;
durations are in seconds. Later versions may add fields, so readers should ignore fields that they do not know.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

import msgspec

UtcTime: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag=str.lower):
    """Base class of all events."""

    at: UtcTime
    """When the event was emitted (UTC)."""


class _Counted(Event, frozen=True, kw_only=True):
    rows: int
    """Rows of the job: the sum of the next six fields."""
    completed: int
    """Rows that completed."""
    failed: int
    """Rows that failed."""
    timed_out: int
    """Rows whose run did not finish in time."""
    in_doubt: int
    """Rows whose POST was sent and never answered."""
    running: int
    """Rows that are being submitted, or accepted and not finished."""
    queued: int
    """Rows waiting to be submitted."""
    reused: int
    """Completed rows that were reused from earlier jobs."""


class Start(_Counted, frozen=True, kw_only=True):
    """The session begins. The counts are the result of earlier sessions."""

    folder: str
    """The run directory."""
    job: Mapping[str, Any]
    """What identifies the job: `input`, `workflow_id`, `simulate`."""


class Progress(_Counted, frozen=True, kw_only=True):
    """The progress of the job, every two seconds and once at the end."""

    in_flight: int
    """Runs that are accepted and not finished, plus POSTs without an answer so far."""
    submissions: int
    """POSTs sent in this session."""
    polls: int
    """Polls sent in this session."""
    throttled: int
    """429 responses in this session."""
    rate: float | None
    """Rows finished per second over the last minute of this session; null if no row has finished."""
    eta_s: float | None
    """Seconds until all rows are finished at that rate; null if too few rows have finished to tell."""
    elapsed_s: float
    """Seconds since this session began."""


class Log(Event, frozen=True, kw_only=True):
    """A line of the log."""

    level: str
    """`info`, `progress`, `warning` or `error`."""
    message: str
    """The line."""


class Stopping(Event, frozen=True, kw_only=True):
    """A signal, a limit or the service stops the job early. It may take some time until the job has stopped."""

    reason: str
    """Why the job stops."""
    exit_code: int
    """The exit code that follows if rows are left and no more important reason comes."""
    collect: bool
    """Whether accepted runs are polled to their end; otherwise the next command polls them."""


class End(Event, frozen=True, kw_only=True):
    """The session has ended and everything is saved. This is the last event."""

    exit_code: int
    """The exit code of the command."""
    reason: str | None
    """Why the job stopped early; null if it did not."""
    next: str | None
    """The command to run next; null if nothing is left to do."""
    summary: dict[str, Any]
    """The figures, as in `--json` and `summary.json`."""


class Error(Event, frozen=True, kw_only=True):
    """The command failed before it could run the job. This is the last event, and often the only one."""

    exit_code: int
    """The exit code of the command."""
    message: str
    """What is wrong, where, and what to do; one line per mistake."""
    traceback: str | None = None
    """The Python traceback; with `-v` only."""


AnyEvent: TypeAlias = Start | Progress | Log | Stopping | End | Error
"""All events. Decode a line with `msgspec.json.decode(line, type=AnyEvent)`."""


def utc_time(ms: int) -> datetime:
    """UTC milliseconds since 1970 as a datetime."""
    return datetime.fromtimestamp(ms / 1000, UTC)
