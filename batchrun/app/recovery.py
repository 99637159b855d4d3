"""What follows for the rows from the end of the last session, and from the options of this one."""

import logging
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path

from batchrun.adapters.checkpoint.entries import Entry
from batchrun.adapters.checkpoint.surviving_marks import surviving_marks
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.app.retry import Retry
from batchrun.domain.counters import Counters
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import FoundAfterRestart, RowEvent, Settled, SubmitStarted
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State
from batchrun.domain.sweep import PLAIN, Sweep
from batchrun.job import Job
from batchrun.ports import DuplicateRunError

log = logging.getLogger("batchrun")

_ROWS_PER_COMMIT = 2000


def recover(checkpoint: Checkpoint, marks: Path, job: Job, retry: Retry | None, now: int) -> None:
    """Apply to the rows what follows from the end of the last session and from the options of this one.

    `marks`: the file in which a session that was killed has left its marks.
    """
    _recover_submitting(checkpoint, marks, now)
    if retry is not None:
        checkpoint.set_meta(retried_at=str(now + 1))  # rows that this retry itself settles do not count
        for rows, event in retry.settlements(checkpoint, now):
            _apply(checkpoint, rows, _always(event), now)
        checkpoint.restart_rate(retry.includes)
    if job.in_doubt != "hold":
        limit = job.row_limit
        within = (row for row in checkpoint.rows(State.IN_DOUBT) if limit is None or row.row < limit)
        settled = Settled(State.QUEUED if job.in_doubt == "resubmit" else State.FAILED, now)
        _apply(checkpoint, within, _always(settled), now)


def doubt_unrecorded(
    checkpoint: Checkpoint, rows: int, now: int, sweep: Sweep = PLAIN, sample: Collection[int] | None = None
) -> None:
    """Take the first `rows` rows as in doubt, those excepted whose submission or end is recorded.

    `sample`: the input rows to which the job is limited; None: all.
    """
    problem = Problem(ErrorKind.IN_DOUBT, "the checkpoint has lost records, and the row may have been submitted")
    in_doubt = _always(FoundAfterRestart(problem, now))

    def is_drawn(row: int) -> bool:
        return sample is None or sweep.place(row).input_row in sample

    for start in range(0, rows, _ROWS_PER_COMMIT):
        stop = min(start + _ROWS_PER_COMMIT, rows)
        known = checkpoint.between(start, stop)
        found = (known.get(number) or Row(number) for number in range(start, stop) if is_drawn(number))
        _apply(checkpoint, (row for row in found if row.state is State.QUEUED), _always(SubmitStarted(now)), now)
        started = (row for row in checkpoint.between(start, stop).values() if row.state is State.SUBMITTING)
        _apply(checkpoint, started, in_doubt, now)


def _recover_submitting(checkpoint: Checkpoint, path: Path, now: int) -> None:
    """Rows that were being submitted: a mark shows what became of the POST, or the row is in doubt."""
    marks = surviving_marks(checkpoint, path)
    in_doubt = FoundAfterRestart(Problem(ErrorKind.IN_DOUBT, "the process ended before the service answered"), now)
    unsent = recovered = 0

    def event_of(row: Row) -> RowEvent:
        nonlocal unsent, recovered
        unsent += not marks.was_sent(row)
        outcome = marks.outcome(row, now)
        recovered += outcome is not None
        return in_doubt if outcome is None else outcome

    _apply(checkpoint, checkpoint.rows(State.SUBMITTING), event_of, now, instead=in_doubt)
    if marks.session is not None and unsent:
        checkpoint.discount_submissions(marks.session, unsent)
    if recovered:
        log.info(
            "%d rows were being submitted when the last command was killed, and are not in doubt: "
            "%d of them were not sent, and the others were answered",
            recovered,
            unsent,
        )


def _always(event: RowEvent) -> Callable[[Row], RowEvent]:
    return lambda _row: event


def _apply(
    checkpoint: Checkpoint,
    rows: Iterator[Row],
    event_of: Callable[[Row], RowEvent],
    now: int,
    *,
    instead: RowEvent | None = None,
) -> None:
    """Apply an event to each row. `instead`: the event for a row whose run_id turns out to be that of another row."""
    while batch := list(islice(rows, _ROWS_PER_COMMIT)):
        entries = [Entry(decide(row, event), event) for row in batch for event in (event_of(row),)]
        refused = list[Row]()
        for row, error in zip(batch, checkpoint.commit(entries, Counters(), now, 0.0), strict=True):
            if instead is not None and isinstance(error, DuplicateRunError):
                refused.append(row)
            elif error is not None:
                raise error
        if instead is not None and refused:
            _apply(checkpoint, iter(refused), _always(instead), now)
