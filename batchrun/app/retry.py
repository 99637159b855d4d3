"""The rows that a retry session submits again: failed and timed-out rows, and rows in doubt if requested."""

import sqlite3
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.error_kinds import ErrorKind
from batchrun.domain.events import RowEvent, Settled
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.domain.sweep import Sweep
from batchrun.errors import InputError
from batchrun.job import Job
from batchrun.options.types import join_alternatives, several, whole_number

Decision = Literal["resubmit", "fail"]
"""How to settle rows in doubt."""

MAX_ROW = 2**63 - 1
"""No row has a higher number, and SQLite no integer."""

KINDS = tuple(map(str, ErrorKind))
"""The error kinds of rows that failed, timed out or are in doubt."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The rows to retry: all that failed or timed out, or only the given ones; none that were given up in doubt, unless
    `in_doubt` is `resubmit`."""

    rows: frozenset[int] | None = None
    """The given row numbers; None: all rows."""
    in_doubt: Decision | None = None
    """How to settle the given rows that are in doubt. Without given rows, the job's own `in_doubt` applies."""
    kinds: frozenset[ErrorKind] | None = None
    """The error kinds to retry; None: all of them."""
    limit: int | None = None
    """Rows with this number or a higher one are not part of the job."""
    given_limit: int | None = None
    """The same as the user gave it: of a sweep, a number of input rows."""

    def includes(self, row: Row) -> bool:
        """Whether to retry this row if it failed or timed out."""
        if _is_given_up(row) and self.in_doubt != "resubmit":
            return False
        if self.kinds is not None and (row.problem is None or row.problem.kind not in self.kinds):
            return False
        return (self.rows is None or row.row in self.rows) and (self.limit is None or row.row < self.limit)

    @property
    def is_of_all(self) -> bool:
        """Whether no rows and no kinds are given."""
        return self.rows is None and self.kinds is None

    def matches(self, checkpoint: Checkpoint) -> bool:
        """Whether there is a row of the given error kinds; True if none are given."""
        if self.kinds is None or (ErrorKind.IN_DOUBT in self.kinds and any(checkpoint.rows(State.SUBMITTING))):
            return True
        return any(map(self.includes, checkpoint.rows(State.FAILED, State.TIMED_OUT, State.IN_DOUBT)))

    def check(self, checkpoint: Path, sweep: Sweep, input_rows: int, drawn: Collection[int] | None) -> None:
        """Raise `InputError` with all given rows that cannot be retried. `drawn`: the input rows of the sample."""
        if not self.rows:
            return

        def is_drawn(number: int) -> bool:
            return drawn is None or sweep.place(number).input_row in drawn

        with connection.open_reader(checkpoint) as db:
            problems = [
                problem
                for number in sorted(self.rows)
                if (problem := self._problem(number, _recorded(db, number), sweep.rows(input_rows), is_drawn(number)))
            ]
        if problems:
            raise InputError(*problems)

    def _problem(self, number: int, row: Row | None, rows: int, is_drawn: bool) -> str | None:
        if row is None and not 0 <= number < rows:
            return f"row {number} is not there: the job has {rows:,} rows, and the first of them is row 0"
        if row is None and not is_drawn:
            return f"row {number} is not in the job: --sample has not drawn it"
        if self.limit is not None and number >= self.limit:
            return f"row {number} is beyond --limit {self.given_limit}: raise it to retry this row"
        match State.QUEUED if row is None else row.state:
            case State.FAILED if row is not None and _is_given_up(row) and self.in_doubt != "resubmit":
                return f"row {number} was given up in doubt: add --in-doubt resubmit (it may be paid for twice)"
            case State.FAILED | State.TIMED_OUT:
                return None
            case State.IN_DOUBT | State.SUBMITTING:
                return None if self.in_doubt else f"row {number} is in doubt: add --in-doubt resubmit or fail"
            case State.QUEUED:
                return f"row {number} is queued: batchrun resume submits it"
            case State.RUNNING:
                return f"row {number} is running: batchrun resume polls it"
            case State.COMPLETED:
                return f"row {number} is completed; only failed and timed-out rows can be retried"

    def settlements(self, checkpoint: Checkpoint, now: int) -> Iterator[tuple[Iterator[Row], RowEvent]]:
        """Rows and the event to apply to them.

        Failed rows come first, so that rows in doubt that fail here are not retried. Timed-out rows are not included
        because they are polled first.
        """
        yield self._of(checkpoint, State.FAILED), Settled(State.QUEUED, now)
        if self.rows is not None and self.in_doubt is not None:
            state = State.FAILED if self.in_doubt == "fail" else State.QUEUED
            yield self._of(checkpoint, State.IN_DOUBT), Settled(state, now)

    def _of(self, checkpoint: Checkpoint, state: State) -> Iterator[Row]:
        return (row for row in checkpoint.rows(state) if self.includes(row))


def _is_given_up(row: Row) -> bool:
    """Whether the row was in doubt, and then failed by `--in-doubt fail`: the service may have run it."""
    return row.state is State.FAILED and row.problem is not None and row.problem.kind is ErrorKind.IN_DOUBT


def _recorded(db: sqlite3.Connection, number: int) -> Row | None:
    return reader.between(db, number, number + 1).get(number) if 0 <= number < MAX_ROW else None


def plan_retry(
    job: Job, rows: Collection[int] | None, in_doubt: str | None, kinds: Collection[str] | None = None
) -> tuple[Job, Retry]:
    """The job and its `Retry` for one command, as arguments of `app.prepare.prepare_job`.

    `rows`: the rows to retry, or None for all that failed or timed out; `in_doubt`: resubmit or fail the rows in doubt
    (among `rows`, or all), or None for the job's own option; `kinds`: only rows with these error kinds, or None for
    all. Raises `InputError` for another value.
    """
    numbers = None if rows is None else [whole_number(row, "--row") for row in several(rows, "--row", "[3, 17]")]
    given = None if kinds is None else list(map(str, several(kinds, "--kind", "['timeout']")))
    if unknown := sorted(set(given or ()) - set(KINDS)):
        raise InputError(f"--kind {unknown[0]}: expected {join_alternatives(KINDS)}")
    if in_doubt is not None and in_doubt not in get_args(Decision):
        raise InputError(f"--in-doubt: expected resubmit or fail (got {in_doubt!r})")
    if in_doubt is not None and given is not None and ErrorKind.IN_DOUBT not in given:
        raise InputError("--in-doubt decides on rows of no other kind: add --kind in_doubt, or leave out --kind")
    if in_doubt is None and job.in_doubt == "hold" and ErrorKind.IN_DOUBT in (given or ()):
        raise InputError(
            "--kind in_doubt: decide on rows in doubt with --in-doubt resubmit (sends them again, may pay twice) or "
            "--in-doubt fail (gives them up)"
        )
    decision: Decision | None = None if in_doubt is None else "fail" if in_doubt == "fail" else "resubmit"
    if rows is None and decision is not None:
        job = job.model_copy(update={"in_doubt": decision})
    if decision is None and job.in_doubt != "hold":
        decision = job.in_doubt
    return job, Retry(
        None if numbers is None else frozenset(numbers),
        decision,
        None if given is None else frozenset(map(ErrorKind, given)),
        job.limit if job.limit is None else job.sweep.rows(job.limit),
        job.limit,
    )
