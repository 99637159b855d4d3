"""Everything before the first request: read, check, own, recover. Nothing is sent, and a mistake leaves no trace."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice

from batchrun.adapters.checkpoint.reader import Session
from batchrun.adapters.checkpoint.writer import Checkpoint, Entry
from batchrun.adapters.credentials.token import Token
from batchrun.adapters.earlier_job import EarlierJob
from batchrun.adapters.tables import Table
from batchrun.app.callback_setup import callback_key_of
from batchrun.app.input_checks import examine
from batchrun.app.job_file import with_recorded_checkpoint, write_job
from batchrun.app.pinned_job import record, recorded
from batchrun.app.retry import Retry
from batchrun.app.run_directory import RunDirectory, owned_directory
from batchrun.dialects import Dialect
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.counters import Counters
from batchrun.domain.error_kinds import ErrorKind, Problem
from batchrun.domain.events import FoundAfterRestart, RowEvent, Settled
from batchrun.domain.filenames import sqlite_files
from batchrun.domain.row import Row, decide
from batchrun.domain.states import State
from batchrun.job import Job
from batchrun.ports import Clock
from batchrun.version import VERSION

_PAGE = 2000


@dataclass(frozen=True, slots=True)
class Prepared:
    """A job that is ready to be worked on, and owned."""

    job: Job
    directory: RunDirectory
    table: Table
    mapping: ColumnMapping
    dialect: Dialect
    token: Token
    checkpoint: Checkpoint
    rows: int
    """Rows of the input."""
    total: int
    """Rows of the job: those of the input up to the limit, but never less than were touched already."""
    seed: int
    before: Session | None
    """The session before this one."""
    earlier: EarlierJob | None
    """The job that completed rows are taken over from."""
    retry: Retry | None = None
    """What is tried again."""
    callback_key: str | None = None
    """The secret behind the addresses of callbacks."""

    def again(self, row: int) -> bool:
        """Whether this row is submitted again if it timed out."""
        return self.retry is not None and self.retry.takes(row)


@contextmanager
def prepared(
    job: Job,
    token: str | None,
    clock: Clock,
    *,
    fresh: bool = False,
    keep_options: bool = True,
    retry: Retry | None = None,
) -> Iterator[Prepared]:
    """Own the job's directory, with everything checked and recovered, for the length of the block.

    `token`: what the environment offers; `keep_options`: write the job's options down for the commands to come;
    `retry`: what to try again. Raises `InputError` with what is wrong, `JobBusyError`, `StorageError`.
    """
    job = job if fresh else with_recorded_checkpoint(job)
    with owned_directory(job, fresh=fresh, now=clock.now()) as directory, _checkpoint(directory) as checkpoint:
        known = recorded(checkpoint.meta())
        found = examine(job, token, known)
        if retry is not None:
            retry.check(directory.checkpoint, found.input.fingerprint.rows)
        seed = job.seed if job.seed is not None else known.seed if known is not None else secrets.randbits(32)
        callback_key = callback_key_of(job, known)
        record(checkpoint, job, found.input, seed, checked=found.checked, callback_key=callback_key)
        if keep_options:
            write_job(directory.job, job.model_copy(update={"seed": seed}))
        before = checkpoint.last_session()
        checkpoint.begin_session(clock.now(), VERSION)
        _recover(checkpoint, job, retry, clock.now())
        rows = found.input.fingerprint.rows
        total = checkpoint.total(rows, job.limit)
        yield Prepared(
            job=job,
            directory=directory,
            table=found.input.table,
            mapping=found.mapping,
            dialect=job.dialect,
            token=found.token,
            checkpoint=checkpoint,
            rows=rows,
            total=total,
            seed=seed,
            before=before,
            retry=retry,
            earlier=found.earlier,
            callback_key=callback_key,
        )


@contextmanager
def _checkpoint(directory: RunDirectory) -> Iterator[Checkpoint]:
    """Open the checkpoint; one that was made here and never got a job is taken away again."""
    new = not directory.checkpoint.exists()
    checkpoint = Checkpoint(directory.checkpoint)
    try:
        yield checkpoint
    finally:
        barren = new and recorded(checkpoint.meta()) is None
        checkpoint.close()
        if barren:
            for path in sqlite_files(directory.checkpoint):
                path.unlink(missing_ok=True)


def _recover(checkpoint: Checkpoint, job: Job, retry: Retry | None, now: int) -> None:
    """What a new command makes of the rows as the last one left them."""
    cut_off = Problem(ErrorKind.IN_DOUBT, "the process ended before the service answered")
    _apply(checkpoint, checkpoint.rows(State.SUBMITTING), FoundAfterRestart(cut_off, now), now)
    if retry is not None:
        for rows, event in retry.settlements(checkpoint, now):
            _apply(checkpoint, rows, event, now)
        checkpoint.restart_rate(retry.takes)
    if job.in_doubt == "resubmit":
        _apply(checkpoint, checkpoint.rows(State.IN_DOUBT), Settled(State.QUEUED, now), now)
    elif job.in_doubt == "fail":
        _apply(checkpoint, checkpoint.rows(State.IN_DOUBT), Settled(State.FAILED, now), now)


def _apply(checkpoint: Checkpoint, rows: Iterator[Row], event: RowEvent, now: int) -> None:
    while page := [Entry(decide(row, event), event) for row in islice(rows, _PAGE)]:
        for refused in checkpoint.commit(page, Counters(), now, 0.0):
            if refused is not None:
                raise refused
