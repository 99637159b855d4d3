"""Where a job stands, read from its checkpoint; also while it runs."""

import sqlite3
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.clock import WallClock
from batchrun.app.pinned_job import recorded, recorded_job
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.app.summary import JobSummary
from batchrun.domain.states import State
from batchrun.domain.summary import Quantiles, SessionFigures, counts
from batchrun.errors import InputError
from batchrun.job import Job
from batchrun.ports import Clock

SILENT_MS = 15_000
"""A session that has recorded nothing for so long is not alive; it writes at least every five seconds."""


def status(folder: Path | str, clock: Clock | None = None) -> JobSummary:
    """The figures of the job in `folder`, also while it runs. `clock` is the wall clock unless a test brings its own.

    Raises `InputError` where there is no job, `StorageError` where its checkpoint cannot be read.

        summary = batchrun.status("rows-run")
        print(summary.completed, "of", summary.rows, "ETA in seconds:", summary.eta_s)
    """
    folder, now = Path(folder), (clock or WallClock()).now()
    job = recorded_job(folder)
    directory = directory_of(job)
    with connection.open_reader(directory.checkpoint) as db:
        known = recorded(reader.meta(db))
        if known is None:
            raise InputError(f"{folder}: its job has not begun yet")
        return summarize(db, job, directory, known.fingerprint.rows, now)


def summarize(
    db: sqlite3.Connection,
    job: Job,
    directory: RunDirectory,
    rows: int,
    now: int,
    *,
    run_s: Quantiles | None = None,
    submit_s: Quantiles | None = None,
) -> JobSummary:
    """The figures of a job of `rows` rows from its checkpoint."""
    tally = reader.tally(db, reader.total(db, rows, job.limit))
    sessions = reader.sessions(db)
    last = sessions[-1] if sessions else None
    rate = eta = None
    if last is not None and last.elapsed_s > 0:
        rate = (tally.worked - last.ended_before) / last.elapsed_s
        left = tally[State.QUEUED] + tally[State.RUNNING] + tally[State.SUBMITTING]
        alive = last.ended_at is None and now - last.last_at < SILENT_MS
        eta = left / rate if alive and rate > 0 else None
    return JobSummary(
        **counts(tally),
        reused=tally.reused,
        submissions=sum(session.submissions for session in sessions),
        polls=sum(session.polls for session in sessions),
        throttled=sum(session.throttled for session in sessions),
        elapsed_s=round(sum(session.elapsed_s for session in sessions), 3),
        exit_code=last.exit_code if last else None,
        errors_by_kind=dict(sorted(tally.kinds.items())),
        session=_figures(db, last) if last else SessionFigures(),
        rate=rate,
        eta_s=eta,
        run_s=run_s,
        submit_s=submit_s,
        folder=str(directory.folder),
        job=job.identity,
    )


def _figures(db: sqlite3.Connection, session: reader.Session) -> SessionFigures:
    return SessionFigures(
        submissions=session.submissions,
        polls=session.polls,
        throttled=session.throttled,
        elapsed_s=round(session.elapsed_s, 3),
        exit_code=session.exit_code,
        errors_by_kind=reader.errors_since(db, session.started_at),
    )
