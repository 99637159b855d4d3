"""The progress of a running job, the protocol of its views, and the views without a terminal."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.engine.outlook import Outlook
from batchrun.engine.settings import Stop
from batchrun.engine.transitions import Transitions
from batchrun.views.log_names import PROGRESS_LEVEL
from batchrun.views.number_format import duration, per_second
from batchrun.views.printable import on_one_line

log = logging.getLogger("batchrun.progress")

LOG_INTERVAL = 10.0
"""Seconds between two progress lines in the log."""

MAX_MESSAGE = 300
"""Characters of an error message that are shown."""


@dataclass
class JobProgress:
    """The figures of a running job. `rate`, `eta` and `elapsed` cover this session only.

    Reading them neither changes nor delays the job.
    """

    transitions: Transitions
    counters: Counters
    outlook: Outlook
    folder: str
    """The run directory."""
    job: Mapping[str, Any]
    """What identifies the job: `input`, `workflow_id` and `simulate`."""

    @property
    def tally(self) -> Tally:
        """The rows by state."""
        return self.transitions.tally

    @property
    def elapsed(self) -> float:
        """Seconds since the session began."""
        return self.outlook.elapsed

    @property
    def rate(self) -> float | None:
        """Rows finished per second over the last minute, without reused rows; None if no row has finished."""
        return self.outlook.rate

    @property
    def in_flight(self) -> int:
        """Runs that are accepted and not finished, plus POSTs without an answer so far."""
        return self.outlook.in_flight

    @property
    def eta(self) -> float | None:
        """Seconds until all rows are finished; None if unknown."""
        return self.outlook.eta

    @property
    def conditions(self) -> list[str]:
        """What limits sending: an outage, a pause, a rate that was cut."""
        return [on_one_line(line) for line in self.outlook.conditions]

    @property
    def failed(self) -> int:
        """Rows that failed or timed out."""
        return self.tally[State.FAILED] + self.tally[State.TIMED_OUT]

    @property
    def errors(self) -> list[str]:
        """A line for each kind of error with the last row that had it, the most frequent kind first."""
        kinds = sorted(self.transitions.last_errors, key=lambda kind: -self.tally.kinds[kind])
        return [self.error(kind) for kind in kinds if self.tally.kinds[kind] > 0]

    def error(self, kind: str) -> str:
        """How many rows have this kind of error, and the last one of this session with its message."""
        row = self.transitions.last_errors[kind]
        message = on_one_line("" if row.problem is None else row.problem.message[:MAX_MESSAGE])
        return f"{self.tally.kinds[kind]:,} {kind}, last row {row.row}: {message}"

    def counts(self) -> list[tuple[str, int, str]]:
        """Name, number and colour of the groups of rows that every view shows; their sum is the number of rows."""
        tally = self.tally
        return [
            ("done", tally[State.COMPLETED], "green"),
            ("failed", self.failed, "red"),
            ("in doubt", tally[State.IN_DOUBT], "yellow"),
            ("in flight", self.in_flight, "cyan"),
            ("queued", tally[State.QUEUED], ""),
        ]

    def line(self) -> str:
        """The figures as one line of text."""
        tally = self.tally
        (_, done, _), *others = self.counts()
        shown = [f"{n:,} {name}" for name, n, _ in others if n or name in {"failed", "in flight"}]
        reused = [f"{tally.reused:,} reused"] if tally.reused else []
        return " · ".join([f"{done:,} of {tally.total:,} done", *reused, *shown, self.rate_text, self.eta_text])

    @property
    def rate_text(self) -> str:
        """The rate, for people."""
        return f"{per_second(self.rate)} rows/s" if self.rate else "- rows/s"

    @property
    def eta_text(self) -> str:
        """The ETA, for people. While rows are left it is a second at least."""
        eta = self.eta
        if eta is None:
            return "ETA -"
        is_over = not self.in_flight and not self.tally[State.QUEUED]
        return f"ETA {duration(eta if is_over else max(1.0, eta))}"


class ProgressView(Protocol):
    """Shows the progress of a running job."""

    async def show(self, progress: JobProgress) -> None:
        """Show `progress` until cancelled."""
        ...

    def on_stopping(self, stop: Stop) -> None:
        """Called when the job stops early, and again if a more important reason follows."""
        ...


class NoView:
    """Shows nothing."""

    async def show(self, progress: JobProgress) -> None:
        """Do nothing."""

    def on_stopping(self, stop: Stop) -> None:
        """Do nothing."""


class LogView:
    """Logs a line every `LOG_INTERVAL` seconds, and kinds of errors as they appear, for log files and cron."""

    def __init__(self) -> None:
        self._logged: dict[str, int] = {}

    async def show(self, progress: JobProgress) -> None:
        """Log the figures until cancelled."""
        while True:
            await asyncio.sleep(LOG_INTERVAL)
            log.log(PROGRESS_LEVEL, "%s", " · ".join([progress.line(), *progress.conditions]))
            self._log_errors(progress)

    def _log_errors(self, progress: JobProgress) -> None:
        """Log each kind of error when it appears, and whenever its number has grown tenfold."""
        for kind in progress.transitions.last_errors:
            number = progress.tally.kinds[kind]
            if number > 0 and number >= 10 * self._logged.get(kind, 0):
                self._logged[kind] = number
                log.log(PROGRESS_LEVEL, "errors: %s", progress.error(kind))

    def on_stopping(self, stop: Stop) -> None:
        """Log what happens next, and why if that takes long. The summary that follows says why in any case."""
        reason = f"{stop.reason}: " if stop.collect else "stopping: "
        log.log(PROGRESS_LEVEL, "%s%s", reason, stopping_text(stop))


def stopping_text(stop: Stop) -> str:
    """What the job does until it has stopped."""
    if stop.collect:
        return "nothing more is submitted; waiting for running runs to end"
    again = "; press Ctrl-C again to quit now" if stop.exit_code.is_signal else ""
    return f"nothing more is sent; waiting for open requests{again}"
