"""What one command tries again: rows that failed or timed out, and rows in doubt that the user settles."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.domain.events import RowEvent, Settled
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.errors import InputError
from batchrun.job import Job

Decision = Literal["resubmit", "fail"]
"""What may become of rows in doubt, if they are to be settled at all."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The rows that are tried again: all that failed or timed out, or only those of them that are named."""

    rows: frozenset[int] | None = None
    """The rows that are named; None: none is, and all are meant."""
    in_doubt: Decision | None = None
    """What becomes of those named rows that are in doubt. (Without names it is a matter of the job's own policy.)"""
    limit: int | None = None
    """Rows from this one on are no part of the job."""

    def takes(self, row: int) -> bool:
        """Whether this row is tried again if it failed or timed out."""
        return (self.rows is None or row in self.rows) and (self.limit is None or row < self.limit)

    def check(self, checkpoint: Path, rows: int) -> None:
        """Raise `InputError` with every named row that cannot be tried again; the job has `rows` of them."""
        if not self.rows:
            return
        with connection.open_reader(checkpoint) as db:
            problems = [
                problem
                for number in sorted(self.rows)
                if (problem := self._problem(number, reader.between(db, number, number + 1).get(number), rows))
            ]
        if problems:
            raise InputError(*problems)

    def _problem(self, number: int, row: Row | None, rows: int) -> str | None:
        if row is None and not 0 <= number < rows:
            return f"row {number} is not there: the job has {rows:,} rows, and the first of them is row 0"
        if self.limit is not None and number >= self.limit:
            return f"row {number} is beyond --limit {self.limit}: raise it to retry this row"
        match State.QUEUED if row is None else row.state:
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
        """Rows, and the event that settles them, in this order: what is given up now is not tried again.

        Those that timed out are not among them: they are polled first.
        """
        yield self._of(checkpoint, State.FAILED), Settled(State.QUEUED, now)
        if self.rows is not None and self.in_doubt is not None:
            to = State.FAILED if self.in_doubt == "fail" else State.QUEUED
            yield self._of(checkpoint, State.IN_DOUBT), Settled(to, now)

    def _of(self, checkpoint: Checkpoint, state: State) -> Iterator[Row]:
        return (row for row in checkpoint.rows(state) if self.takes(row.row))


def retrying(job: Job, rows: Collection[int] | None, in_doubt: str | None) -> tuple[Job, Retry]:
    """The job and its `Retry` for one command, both to be given to `app.prepare.prepared`.

    `rows`: the only rows to try again, None for all that failed or timed out; `in_doubt`: resubmit or fail those in
    doubt (of `rows`, or all), None: go by the job. Raises `InputError` for another word.
    """
    if in_doubt is not None and in_doubt not in get_args(Decision):
        raise InputError(f"--in-doubt: expected resubmit or fail (got {in_doubt!r})")
    decision: Decision | None = None if in_doubt is None else "fail" if in_doubt == "fail" else "resubmit"
    if rows is None and decision is not None:
        job = job.model_copy(update={"in_doubt": decision})
    if decision is None and job.in_doubt != "hold":
        decision = job.in_doubt
    return job, Retry(None if rows is None else frozenset(rows), decision, job.limit)
