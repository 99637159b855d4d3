"""The current figures of a job, read from its checkpoint, also while it runs."""

import sqlite3
from dataclasses import asdict
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.clock import WallClock
from batchrun.app.pinned_job import decode_pinned, load_job
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.app.summary import JobSummary
from batchrun.domain.states import State
from batchrun.domain.summary import Quantiles, SessionFigures, counts
from batchrun.errors import InputError
from batchrun.job import Job
from batchrun.ports import Clock

STALE_AFTER_MS = 15_000
"""Milliseconds without a write to the checkpoint after which a session is considered dead.

A running session writes at least every 5 s (`HEARTBEAT` in `adapters.checkpoint.journal`).
"""


def status(folder: Path | str, clock: Clock | None = None) -> JobSummary:
    """The figures of the job in `folder`, also while it runs. `clock` replaces the wall clock in tests.

    Raises `InputError` if there is no job, and `StorageError` if its checkpoint cannot be read.

        summary = batchrun.status("rows-run")
        print(summary.completed, "of", summary.rows, "ETA in seconds:", summary.eta_s)
    """
    folder, now = Path(folder), (clock or WallClock()).now()
    job = load_job(folder)
    directory = directory_of(job)
    with connection.open_reader(directory.checkpoint) as db:
        pinned = decode_pinned(reader.meta(db))
        if pinned is None:
            raise InputError(f"{folder}: its job has not begun yet")
        return summarize(db, job, directory, pinned.fingerprint.rows, now)


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
    """The figures of a job from its checkpoint. `rows`: number of rows of the input."""
    tally = reader.tally(db, reader.total(db, rows, job.limit))
    sessions = reader.sessions(db)
    last = sessions[-1] if sessions else None
    rate = eta = None
    if last is not None and last.elapsed_s > 0:
        rate = (tally.worked - last.ended_before) / last.elapsed_s
        remaining = tally[State.QUEUED] + tally[State.RUNNING] + tally[State.SUBMITTING]
        is_running = last.ended_at is None and now - last.last_at < STALE_AFTER_MS
        eta = remaining / rate if is_running and rate > 0 else None
    return JobSummary(
        **counts(tally),
        reused=tally.reused,
        submissions=sum(session.submissions for session in sessions),
        polls=sum(session.polls for session in sessions),
        throttled=sum(session.throttled for session in sessions),
        elapsed_s=round(sum(session.elapsed_s for session in sessions), 3),
        exit_code=last.exit_code if last else None,
        errors_by_kind=dict(sorted(tally.kinds.items())),
        session=_session_figures(db, last) if last else SessionFigures(),
        rate=rate,
        eta_s=eta,
        run_s=run_s,
        submit_s=submit_s,
        **asdict(tally.tokens),
        irregular_outputs=reader.irregular_outputs(db),
        folder=str(directory.folder),
        job=job.identity,
    )


def _session_figures(db: sqlite3.Connection, session: reader.Session) -> SessionFigures:
    return SessionFigures(
        submissions=session.submissions,
        polls=session.polls,
        throttled=session.throttled,
        elapsed_s=round(session.elapsed_s, 3),
        exit_code=session.exit_code,
        errors_by_kind=reader.errors_since(db, session.started_at),
    )
