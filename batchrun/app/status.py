"""The current figures of a job, read from its checkpoint, also while it runs."""

import platform
import sqlite3
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from batchrun.adapters.checkpoint import connection, reader, session_reader
from batchrun.adapters.clock import WallClock
from batchrun.adapters.files.lock import holder
from batchrun.app.job_rows import count_rows
from batchrun.app.measures import recorded_measures
from batchrun.app.pinned_job import decode_pinned, load_job
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.app.summary import JobSummary
from batchrun.domain.filenames import RESULTS, SCORES
from batchrun.domain.measures import Measures
from batchrun.domain.states import State
from batchrun.domain.summary import Process, ResultFiles, SessionFigures, counts, polls_per_row
from batchrun.domain.workers import decoded
from batchrun.errors import InputError
from batchrun.job import Job
from batchrun.options.types import folder_of
from batchrun.ports import Clock

STALE_AFTER_MS = 15_000
"""Milliseconds without a write to the checkpoint after which a session on another host is considered dead.

A running session writes at least every 5 s (`domain.time_series.HEARTBEAT`). Its lock is not always
visible from another host.
"""


def status(folder: Path | str, clock: Clock | None = None) -> JobSummary:
    """The figures of the job in `folder`, also while it runs. `clock` replaces the wall clock in tests.

    Raises `InputError` if there is no job, and `StorageError` if its checkpoint cannot be read.

        summary = batchrun.status("rows-run")
        print(summary.completed, "of", summary.rows, "ETA in seconds:", summary.eta_s)
    """
    folder, now = folder_of(folder), (clock or WallClock()).now()
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
    measures: Measures | None = None,
) -> JobSummary:
    """The figures of a job from its checkpoint. `rows`: number of rows of the input.

    `measures`: what the session that has just ended measured, if it could not be recorded.
    """
    meta = reader.meta(db)
    tally = reader.tally(db, count_rows(db, job, rows))
    sessions = session_reader.sessions(db)
    last = sessions[-1] if sessions else None
    process = None if last is None else _process(directory, last, now)
    rate = eta = None
    if last is not None and last.elapsed_s > 0 and (last.submissions or last.polls):
        ended = tally.worked - last.ended_before
        rate = ended / last.elapsed_s
    measures = measures or recorded_measures(meta, last)
    if process is not None and last is not None and measures.eta_s is not None and measures.at >= last.started_at:
        eta = max(0.0, measures.eta_s - (now - measures.at) / 1000)
    doubts = reader.doubts_since(db, now - round(1000 * job.run_timeout))
    is_blocked = process is None and tally[State.QUEUED] > 0 and doubts >= job.in_flight_limit
    more = f"--max-in-flight {job.in_flight_limit + doubts}" if is_blocked else ""
    return JobSummary(
        **counts(tally),
        reused=tally.reused,
        submissions=sum(session.submissions for session in sessions),
        polls=sum(session.polls for session in sessions),
        throttled=sum(session.throttled for session in sessions),
        elapsed_s=round(sum(session.elapsed_s for session in sessions), 3),
        exit_code=last.exit_code if last else None,
        reason=meta.get("reason"),
        advised_options=meta.get("advised_options") or more,
        doubts_in_flight=doubts if is_blocked else 0,
        is_mistake="is_mistake" in meta,
        submitting=tally[State.SUBMITTING],
        process=process,
        workers=() if process is None else tuple(one for one in decoded(meta.get("workers", "")) if not one.is_lost),
        result_files=_result_files(directory, meta, sum(session.changes for session in sessions)),
        has_scores=(directory.folder / SCORES).exists(),
        errors_by_kind=dict(sorted(tally.kinds.items())),
        error_examples={
            kind: f"{job.sweep.row_name(row)}: {message}"
            for kind, (row, message) in reader.error_examples(
                db, sorted(kind for kind, count in tally.kinds.items() if count)
            ).items()
        },
        session=_session_figures(db, last) if last else SessionFigures(),
        rate=rate,
        eta_s=eta,
        run_s=measures.run_s,
        submit_s=measures.submit_s,
        lag_s=measures.lag_s,
        wait_s=measures.wait_s,
        submit_rate=measures.submit_rate,
        poll_rate=measures.poll_rate,
        callbacks=measures.callbacks,
        interruptions=measures.interruptions,
        polls_per_row=polls_per_row(tally, sum(session.polls for session in sessions)),
        **asdict(tally.tokens),
        irregular_outputs=reader.irregular_outputs(db),
        folder=str(directory.folder),
        job=job.identity,
    )


def _session_figures(db: sqlite3.Connection, session: session_reader.Session) -> SessionFigures:
    return SessionFigures(
        submissions=session.submissions,
        polls=session.polls,
        throttled=session.throttled,
        elapsed_s=round(session.elapsed_s, 3),
        exit_code=session.exit_code,
        errors_by_kind=reader.errors_since(db, session.started_at),
        started_at=_utc(session.started_at),
        ended_at=None if session.ended_at is None else _utc(session.ended_at),
        last_at=_utc(session.last_at),
    )


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _process(directory: RunDirectory, session: session_reader.Session, now: int) -> Process | None:
    """The process that runs the session, if it is alive."""
    found = holder(directory.lock)
    if found is None or session.ended_at is not None:
        return None
    is_elsewhere = found.host not in {"", platform.node()}
    is_alive = found.is_alive or (is_elsewhere and now - session.last_at < STALE_AFTER_MS)
    return Process(found.pid, found.host) if is_alive else None


def _result_files(directory: RunDirectory, meta: dict[str, str], changes: int) -> ResultFiles:
    """Compares the number of row changes that the files hold (see `export_state`) with that of the checkpoint."""
    if not all((directory.folder / name).exists() for name in RESULTS):
        return ResultFiles.MISSING
    try:
        exported = msgspec.json.decode(msgspec.json.decode(meta["exported"])[0])[0]
    except (KeyError, IndexError, TypeError, msgspec.MsgspecError):
        return ResultFiles.OLDER
    return ResultFiles.CURRENT if exported == changes else ResultFiles.OLDER
