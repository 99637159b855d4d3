"""Prepares a job before its first request: reads and checks it, locks its directory, and recovers its rows.

Nothing is sent. If the job is refused, no files remain.
"""

import json
import logging
import secrets
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial

from batchrun.adapters.checkpoint.damage import storage_error
from batchrun.adapters.checkpoint.marks import Marks
from batchrun.adapters.checkpoint.progress_file import ProgressFile
from batchrun.adapters.checkpoint.session_reader import Session
from batchrun.adapters.checkpoint.writer import Checkpoint
from batchrun.adapters.credentials.token import Token
from batchrun.adapters.earlier_job import EarlierJobs
from batchrun.adapters.files.directory_guard import DirectoryGuard
from batchrun.adapters.files.kinds import refuse_special_files
from batchrun.adapters.interruption import uninterrupted
from batchrun.adapters.tables import Table, verified
from batchrun.app.callback_setup import callback_key_of
from batchrun.app.checkpoint_owner import refuse_anothers_checkpoint
from batchrun.app.correction import takes_place
from batchrun.app.export import without_input
from batchrun.app.input_checks import CheckedJob, check_job
from batchrun.app.job_file import with_pinned_checkpoint_dir, write_job
from batchrun.app.job_rows import SAMPLE, count_rows, drawn_rows
from batchrun.app.lost_checkpoint import Loss, find_loss, refusal, set_results_aside
from batchrun.app.moved_directory import warn_if_moved
from batchrun.app.pinned_job import PinnedJob, decode_pinned, pin, unless_replaced, with_settled_options
from batchrun.app.recovery import doubt_unrecorded, recover
from batchrun.app.retry import Retry
from batchrun.app.reuse import refuse_busy
from batchrun.app.run_directory import RunDirectory, directory_of, locked_directory
from batchrun.dialects import Dialect
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.filenames import JOB, sqlite_files
from batchrun.domain.row import Row
from batchrun.domain.states import State
from batchrun.domain.tally import Tally
from batchrun.job import Job
from batchrun.ports import Clock
from batchrun.version import VERSION
from batchrun.views.number_format import count

log = logging.getLogger("batchrun")


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A checked job whose directory is locked, ready for the engine."""

    options: Job
    directory: RunDirectory
    table: Table
    mapping: ColumnMapping
    dialect: Dialect
    token: Token
    checkpoint: Checkpoint
    marks: Marks
    """How far the POSTs in progress have come, if the transport stores it."""
    rows: int
    """Number of rows of the input."""
    total: int
    """Number of rows of the job: rows of the input up to `--limit`, but at least all rows processed before."""
    seed: int
    last_session: Session | None
    """The session before this one."""
    sample: Collection[int] | None
    """The input rows to which the job is limited; None: all."""
    earlier_jobs: EarlierJobs | None
    """The job whose completed rows are reused."""
    guard: DirectoryGuard
    """Notices that the run directory was moved, removed or replaced."""
    retry: Retry | None = None
    """The rows to retry, in a retry session."""
    callback_key: str | None = None
    """The secret from which the callback addresses are derived."""

    def is_retried(self, row: Row) -> bool:
        """Whether this row is retried if it timed out."""
        return self.retry is not None and self.retry.includes(row)


@contextmanager
def prepare_job(
    job: Job,
    token: str | None,
    clock: Clock,
    *,
    fresh: bool = False,
    keep_options: bool = True,
    retry: Retry | None = None,
    accept_loss: bool = False,
) -> Iterator[PreparedJob]:
    """Check the job, lock its directory and recover its rows. The directory is unlocked when the context ends.

    `token`: the token from the environment; `keep_options`: save the job's options for later commands; `retry`: the
    rows to retry; `accept_loss`: if the checkpoint has lost records, go on with rows in doubt instead of refusing.
    Raises `InputError` with all mistakes, `JobBusyError` and `StorageError`.
    """
    is_new_command = keep_options and retry is None and not accept_loss

    def is_replaced(directory: RunDirectory) -> bool:
        return is_new_command and takes_place(job, directory)

    if not fresh:
        job = with_pinned_checkpoint_dir(job)
        refuse_special_files(job.checkpoint_folder)
    if fresh or not (job.folder / JOB).exists():
        refuse_anothers_checkpoint(directory_of(job), fresh=fresh)
    with (
        locked_directory(job, fresh=fresh, now=clock.now(), takes_place=is_replaced) as directory,
        _accepted_loss(directory, accept=accept_loss) as loss,
        _checkpoint(directory) as checkpoint,
        ExitStack() as opened,
    ):
        pinned = decode_pinned(checkpoint.meta())
        warn_if_moved(directory, checkpoint.meta())
        if keep_options:
            pinned = _unless_replaced(checkpoint, pinned, job)
        job = with_settled_options(job, pinned)
        substitute = None
        if pinned is not None and retry is None and _needs_no_input(checkpoint, pinned, job):
            substitute = partial(without_input, job, pinned)
        checked = check_job(job, token, pinned, substitute)
        refuse_busy(checked.earlier_jobs)
        if job.reuse is not None:  # it may be a pattern, which is relative to this command
            job = job.model_copy(update={"reuse": job.reuse.absolute()})
        if retry is not None:
            drawn = drawn_rows(checkpoint.meta(), job)
            retry.check(directory.checkpoint, job.sweep, checked.input.fingerprint.rows, drawn)
        seed = job.seed if job.seed is not None else pinned.seed if pinned is not None else secrets.randbits(32)
        callback_key = callback_key_of(job, pinned)
        if pinned is not None and pinned.foreign_api is not None and pinned.options["api"] != job.api:
            checkpoint.delete_meta("foreign_api")
        settled = job.model_copy(update={"seed": seed})
        _record(checkpoint, directory, settled, checked, callback_key, keep_options=keep_options)
        last_session = checkpoint.last_session()
        session = checkpoint.begin_session(clock.now(), VERSION)
        rows = checked.input.fingerprint.rows
        sample = None if job.sample is None else _sample(checkpoint, job, seed, rows)
        if loss is not None:
            set_results_aside(directory, clock.now())
            lost_rows = job.sweep.rows(rows) if loss.rows is None else min(loss.rows, job.sweep.rows(rows))
            doubt_unrecorded(checkpoint, lost_rows, clock.now(), job.sweep, sample)
        matches = retry is None or retry.matches(checkpoint)
        recover(checkpoint, directory.marks, job, retry, clock.now())
        checkpoint.progress = opened.enter_context(ProgressFile(directory.progress, checkpoint.progress_so_far()))
        checkpoint.set_meta(keeps_progress="1")
        checkpoint.copy_into_database()
        opened.enter_context(verified(checked.input.table, checked.input.fingerprint))
        guard = opened.enter_context(DirectoryGuard(directory.folders, directory.files_held))
        total = _total(checkpoint, job, rows)
        if last_session is not None:
            _report_nothing_left(checkpoint.tally(total), retry, matches=matches)
        with closing(Marks(checkpoint, directory.marks, session)) as marks:
            yield PreparedJob(
                options=job,
                directory=directory,
                table=checked.table,
                mapping=checked.mapping,
                dialect=job.dialect,
                token=checked.token,
                checkpoint=checkpoint,
                marks=marks,
                rows=rows,
                total=total,
                seed=seed,
                last_session=last_session,
                sample=sample,
                guard=guard,
                retry=retry,
                earlier_jobs=checked.earlier_jobs,
                callback_key=callback_key,
            )


def _unless_replaced(checkpoint: Checkpoint, pinned: PinnedJob | None, job: Job) -> PinnedJob | None:
    """The pinned job; None if `job` takes its place. What was found out about the one before is forgotten then."""
    kept = unless_replaced(pinned, job, is_untouched=checkpoint.is_untouched())
    if kept is not pinned:
        checkpoint.delete_meta("declared_types")
        checkpoint.delete_meta("foreign_api")
    return kept


def _record(
    checkpoint: Checkpoint,
    directory: RunDirectory,
    job: Job,
    checked: CheckedJob,
    callback_key: str | None,
    *,
    keep_options: bool,
) -> None:
    """Record the job, and say what has become of the one that it replaces."""
    assert job.seed is not None
    with uninterrupted():  # a job has both
        pin(checkpoint, job, checked.input, job.seed, schema_check=checked.schema_check, callback_key=callback_key)
        if keep_options:
            write_job(directory.job, job)
    if directory.set_aside:
        log.warning("%s", directory.set_aside)


def _sample(checkpoint: Checkpoint, job: Job, seed: int, rows: int) -> Collection[int] | None:
    """The input rows that the first session which sent any has drawn, of those that it found, by its seed."""
    if SAMPLE not in checkpoint.meta() or checkpoint.is_untouched():
        checkpoint.set_meta(**{SAMPLE: json.dumps([seed, rows])})
    return drawn_rows(checkpoint.meta(), job)


def _total(checkpoint: Checkpoint, job: Job, rows: int) -> int:
    """The number of rows of the job, whose input has `rows` rows. Warns of a limit that some of them are beyond."""
    total = checkpoint.read(lambda db: count_rows(db, job, rows))
    if job.limit is not None and (beyond := total - job.sweep.rows(min(rows, job.limit))) > 0:
        log.warning("--limit %d: submitted before beyond it, and still in the job: %s", job.limit, count(beyond, "row"))
    return total


def _report_nothing_left(tally: Tally, retry: Retry | None, *, matches: bool) -> None:
    """Warn if the session has nothing to do. `matches`: a row is of the given error kinds, or none are given."""
    if not matches:
        log.warning("no failed or timed-out rows of the given --kind to retry")
        return
    settles = retry is not None and retry.in_doubt is not None
    if settles or tally[State.QUEUED] or tally[State.RUNNING] or (retry is not None and tally[State.TIMED_OUT]):
        return
    if retry is not None:
        others = tally[State.FAILED] + tally[State.TIMED_OUT]
        which = f"; {others:,} others stay as they are (--in-doubt resubmit takes those given up)" if others else ""
        log.warning("no failed or timed-out rows to retry%s", which)
    else:
        in_doubt = f" or are in doubt ({tally[State.IN_DOUBT]:,})" if tally[State.IN_DOUBT] else ""
        log.warning("nothing left to do: all %s rows have ended%s", f"{tally.total:,}", in_doubt)


@contextmanager
def _checkpoint(directory: RunDirectory) -> Iterator[Checkpoint]:
    """Open the checkpoint. If it was created here and no job was pinned in it, it is deleted at the end."""
    new, checkpoint = not directory.checkpoint.exists(), None
    try:
        with uninterrupted():
            checkpoint = Checkpoint(directory.checkpoint)
        yield checkpoint
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
        raise storage_error(error, directory.checkpoint) from None
    finally:
        with uninterrupted():
            if checkpoint is not None:
                is_unused = new and "pinned" not in checkpoint.meta()
                checkpoint.close()
                for path in (*sqlite_files(directory.checkpoint), *directory.progress) if is_unused else ():
                    path.unlink(missing_ok=True)


@contextmanager
def _accepted_loss(directory: RunDirectory, *, accept: bool) -> Iterator[Loss | None]:
    """What was lost of the checkpoint. Raises `InputError` if something was and that is not accepted.

    A checkpoint of another run directory is never accepted.
    """
    loss = find_loss(directory)
    if loss is not None and (not accept or loss.is_damaged):
        raise refusal(directory, loss)
    refuse_anothers_checkpoint(directory, fresh=False)
    yield loss


def _needs_no_input(checkpoint: Checkpoint, pinned: PinnedJob, job: Job) -> bool:
    """Whether every row has ended or is held, so that none will be submitted."""
    tally = checkpoint.tally(checkpoint.read(lambda db: count_rows(db, job, pinned.fingerprint.rows)))
    open_rows = (State.QUEUED, State.SUBMITTING, State.RUNNING)
    return job.in_doubt == "hold" and not any(tally[state] for state in open_rows)
