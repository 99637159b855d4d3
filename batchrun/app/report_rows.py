"""One pass over all rows of a job for its report, in bounded memory."""

import heapq
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from batchrun.adapters.checkpoint.damage import decoding
from batchrun.adapters.checkpoint.report_reader import ReportRow
from batchrun.domain.error_kinds import ErrorKind
from batchrun.domain.histogram import Histogram
from batchrun.domain.states import ERROR_STATES, State
from batchrun.views.report.model import ErrorGroup, RowFigures, SessionSpan

MAX_SLOWEST = 100
MAX_FAILED_OF_KIND = 150
"""Rows that are shown in the tables: the slowest, and the first of each kind of error."""

MAX_GROUPS, SHOWN_GROUPS = 1000, 30
"""Groups of errors that are counted, and that are shown."""

MAX_POLLS = 20
PARTS = 60
"""Parts of the time in which errors are counted."""

_VARIABLE = re.compile(r"[0-9a-f]{8,}|\d+|'[^']*'|\"[^\"]*\"", re.IGNORECASE)
"""What differs between messages that mean the same: numbers, ids, and what is quoted."""


@dataclass
class RowPass:
    """Collects the figures of all rows."""

    sessions: Sequence[SessionSpan]
    slowest: list[tuple[float, int, ReportRow]] = field(default_factory=list)
    """A heap of the slowest completed runs: seconds, minus the row number, row."""
    failed: dict[ErrorKind, list[ReportRow]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._by_service, self._by_us, self._lag = Histogram(), Histogram(), Histogram()
        self._without_lag = 0
        self._polls = Counter[int]()
        self._groups: dict[tuple[ErrorKind, str | None, str], tuple[int, ReportRow]] = {}
        self._ungrouped = 0
        self._starts = [one.started_at for one in self.sessions]
        self._before = [0]
        for one in self.sessions:
            self._before.append(self._before[-1] + round(1000 * one.worked_s))
        self._over_time: dict[ErrorKind, list[int]] = {}
        self._last: tuple[int, int | None] = 0, None

    def add_all(self, rows: Iterable[ReportRow]) -> None:
        """Add all rows."""
        completed, errors = str(State.COMPLETED), {str(state) for state in ERROR_STATES}
        for row in rows:
            if row.intent_at is not None and row.finished_at is not None and row.finished_at >= self._last[0]:
                self._last = row.finished_at, row.row
            if row.state == completed and row.intent_at is not None:  # a reused row had no run in this job
                self._add_completed(row)
            elif row.state in errors and row.error_kind is not None:
                self._add_failed(row)

    def _add_completed(self, row: ReportRow) -> None:
        if row.run_polls:
            self._polls[min(row.run_polls, MAX_POLLS)] += 1
        seconds = run_seconds(row)
        if seconds is None:
            return
        is_timed = row.updated_at is not None and row.created_at is not None
        (self._by_service if is_timed else self._by_us).add(seconds)
        if is_timed and row.accepted_at is not None and row.finished_at is not None:
            if self._session_at(row.accepted_at) == self._session_at(row.finished_at):
                self._lag.add(max(0.0, (row.finished_at - row.accepted_at) / 1000 - seconds))  # one clock, not two
            else:  # it may have ended while nobody polled; the summary leaves it out as well
                self._without_lag += 1
        entry = (seconds, -row.row, row)
        if len(self.slowest) < MAX_SLOWEST:
            heapq.heappush(self.slowest, entry)
        elif entry > self.slowest[0]:
            heapq.heapreplace(self.slowest, entry)

    def _add_failed(self, row: ReportRow) -> None:
        with decoding():
            kind = ErrorKind(str(row.error_kind))
        shown = self.failed.setdefault(kind, [])
        if len(shown) < MAX_FAILED_OF_KIND:
            shown.append(row)
        group = (kind, row.error_code, _VARIABLE.sub("#", row.error_message or "")[:200])
        count, example = self._groups.get(group, (0, row))
        if count or len(self._groups) < MAX_GROUPS:
            self._groups[group] = (count + 1, example)
        else:
            self._ungrouped += 1
        at = row.finished_at if row.finished_at is not None else row.intent_at
        if at is not None and self._before[-1]:
            counts = self._over_time.setdefault(kind, [0] * PARTS)
            counts[min(PARTS - 1, self._worked_before(at) * PARTS // self._before[-1])] += 1

    def _worked_before(self, at: int) -> int:
        """The milliseconds that sessions had worked by this time."""
        if (place := self._session_at(at)) < 0:
            return 0
        return min(self._before[place] + max(0, at - self._starts[place]), self._before[place + 1])

    def _session_at(self, at: int) -> int:
        """The place of the session that began last before this time; -1 before the first one."""
        return bisect_right(self._starts, at) - 1

    def figures(self) -> RowFigures:
        """The figures of the rows so far."""
        groups = sorted(self._groups.items(), key=lambda item: (-item[1][0], item[1][1].row))
        shown = groups[:SHOWN_GROUPS]
        by_service = self._by_service.n >= self._by_us.n and self._by_service.n > 0
        return RowFigures(
            run=self._by_service if by_service else self._by_us,
            by_service=by_service,
            lag=self._lag,
            without_lag=self._without_lag,
            polls=dict(sorted(self._polls.items())),
            errors=[
                ErrorGroup(kind, code, count, row.row, row.error_message or "")
                for (kind, code, _), (count, row) in shown
            ],
            other_errors=self._ungrouped + sum(count for _, (count, _) in groups[SHOWN_GROUPS:]),
            errors_over_time=dict(sorted(self._over_time.items())),
            part_s=self._before[-1] / PARTS / 1000,
            last_row=self._last[1],
            last_row_at=self._last[0],
        )

    @property
    def slowest_rows(self) -> list[ReportRow]:
        """The slowest rows, the slowest first."""
        return [row for _, _, row in sorted(self.slowest, reverse=True)]

    @property
    def failed_rows(self) -> list[ReportRow]:
        """The failed rows that are shown, in input order."""
        return sorted((row for rows in self.failed.values() for row in rows), key=lambda row: row.row)


def run_seconds(row: ReportRow) -> float | None:
    """How long the run took, in seconds: by the service's clock if it reports that; None if it is not known."""
    if row.created_at is not None and row.updated_at is not None:
        return max(0, row.updated_at - row.created_at) / 1000
    since = row.accepted_at if row.accepted_at is not None else row.submitted_at
    if since is None or row.finished_at is None:
        return None
    return max(0, row.finished_at - since) / 1000
