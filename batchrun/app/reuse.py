"""The earlier jobs of `--reuse`: which ones they are, and whether their completed rows can be reused in this job."""

import glob
import logging
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader, reuse_reader, session_reader
from batchrun.adapters.earlier_job import EarlierJob, EarlierJobs
from batchrun.adapters.files.kinds import real_path
from batchrun.app.job_differences import differences
from batchrun.app.job_file import read_options
from batchrun.app.pinned_job import decode_pinned, pinned_options
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.app.sampled import count_rows
from batchrun.dialects import AUTO
from batchrun.domain.filenames import JOB
from batchrun.domain.states import State
from batchrun.errors import BatchrunError, InputError
from batchrun.job import Job

log = logging.getLogger("batchrun")

MAX_JOBS = 10
"""Of several earlier jobs, the newest ones are read: each has its own results and those that it has taken over."""

MUST_MATCH = ("workflow_id", "api", "base_url", "simulate")
"""Options that must be equal in both jobs, as otherwise equal inputs may have different outputs."""


def earlier_jobs(job: Job, rows: int | None) -> EarlierJobs | None:
    """The jobs of `--reuse`. None without `--reuse`, or if every row of this job was already sent.

    The latter lets a finished job be resumed after the earlier job was deleted. `rows`: number of input rows if this
    job has begun, else None. Raises `InputError` with all mistakes.
    """
    if job.reuse is None:
        return None
    problems = []
    if job.key is None:
        problems.append(f"--reuse {job.reuse}: needs --key COLUMN, because rows are recognised by key and inputs")
    if real_path(job.reuse) == real_path(job.folder):
        problems.append(f"--reuse {job.reuse}: is this job's own directory. Name that of an earlier job")
    if problems:
        raise InputError(*problems)
    if rows is not None and _all_sent(job, rows):
        return None
    if (folders := _several(job.reuse)) is not None:
        usable = _usable(job, folders)
        return EarlierJobs([_open(job, directory) for directory in usable]) if usable else None
    try:
        directory = _directory(job.reuse)
        problems = _mismatches(job, directory)
    except InputError as error:
        problems = list(error.problems)
    if problems:
        raise InputError(
            *(f"--reuse {problem}" for problem in problems),
            f"Name another job with --reuse, or leave it out (with run: resume has it from {JOB}).",
        )
    return EarlierJobs([_open(job, directory)])


def _several(path: Path) -> list[Path] | None:
    """The run directories that a glob or a parent folder stands for; None if `path` is to be a run directory itself."""
    if not path.exists() and glob.has_magic(str(path)):
        found: Iterable[Path] = map(Path, glob.glob(str(path)))  # noqa: PTH207 - the path may be absolute
    elif path.is_dir() and not (path / JOB).exists():
        found = path.iterdir()
    else:
        return None
    return [folder for folder in found if (folder / JOB).is_file()]


def _usable(job: Job, folders: list[Path]) -> list[RunDirectory]:
    """The directories of the jobs whose rows can be reused, the newest first. None is no mistake."""
    usable, problems = list[tuple[int, str, RunDirectory]](), list[str]()
    for folder in sorted(folders):
        if real_path(folder) == real_path(job.folder):
            continue
        try:
            directory = _directory(folder)
            mismatches = _mismatches(job, directory)
            started_at = _started_at(directory)
        except BatchrunError as error:
            mismatches, started_at = [str(error)], 0
        if mismatches:
            problems += mismatches
        else:
            usable.append((started_at, str(folder), directory))
    if not usable:
        reason = f" ({problems[-1]})" if problems else ""
        log.warning("--reuse %s: holds no earlier job of this workflow, so nothing is taken over%s", job.reuse, reason)
    newest = sorted(usable, key=lambda found: found[:2], reverse=True)[:MAX_JOBS]
    return [directory for _, _, directory in newest]


def _started_at(directory: RunDirectory) -> int:
    with connection.open_reader(directory.checkpoint) as db:
        return max((session.started_at for session in session_reader.sessions(db)), default=0)


def _open(job: Job, directory: RunDirectory) -> EarlierJob:
    with connection.open_reader(directory.checkpoint) as db:
        tally = reader.tally(db, 0)
    left = tally[State.RUNNING] + tally[State.SUBMITTING] + tally[State.IN_DOUBT]
    then = "are submitted again here" if job.in_doubt == "resubmit" else "are in doubt here, and not sent"
    also = f"; {left:,} more may be run there and {then}: finish that job first" if left else ""
    log.warning("--reuse: %s has %s completed rows%s", directory.folder, f"{tally[State.COMPLETED]:,}", also)
    return EarlierJob(directory.checkpoint, str(directory.folder.absolute()))


def for_api(job: Job, found: EarlierJobs) -> EarlierJobs | None:
    """The earlier jobs without those that spoke another API than the one that was found out.

    Raises `InputError` if `--reuse` names a single job, and that is one of them.
    """
    usable, problems = list[EarlierJob](), list[str]()
    for one in found.jobs:
        mismatches = _mismatches(job, _directory(Path(one.source)))
        problems += mismatches
        usable += [] if mismatches else [one]
    if problems and job.reuse is not None and _several(job.reuse) is None:
        raise InputError(*(f"--reuse {problem}" for problem in problems))
    return EarlierJobs(usable) if usable else None


def _all_sent(job: Job, rows: int) -> bool:
    """Whether every row of a job that has begun was sent."""
    with connection.open_reader(directory_of(job).checkpoint) as db:
        return reader.never_sent(db, count_rows(reader.meta(db), partial(reader.total, db), job, rows)) <= 0


def _directory(folder: Path) -> RunDirectory:
    path = folder / JOB
    if not path.exists():
        why = f"no {JOB}" if folder.is_dir() else "it is a file" if folder.exists() else "no such directory"
        raise InputError(f"{folder}: holds no job ({why})")
    return RunDirectory(folder, read_options(path).values.get("checkpoint_dir") or folder)


def _mismatches(job: Job, earlier: RunDirectory) -> list[str]:
    """Why no rows can be reused from `earlier`."""
    with connection.open_reader(earlier.checkpoint) as db:
        pinned = decode_pinned(reader.meta(db))
        lacks_reuse_keys = reuse_reader.has_no_reuse_keys(db)
    if pinned is None:
        return [f"{earlier.folder}: its job has not begun yet"]
    if pinned.options.get("key") is None:
        return [f"{earlier.folder}: its job has no --key, so that its rows cannot be recognised"]
    # An API that is not known yet is compared later, see `refuse_other_api`.
    is_unsettled = job.api == AUTO and not job.simulate
    names = [name for name in MUST_MATCH if name != "api"] if is_unsettled else MUST_MATCH
    mismatches = differences(pinned.options, pinned_options(job), names)
    if not mismatches and lacks_reuse_keys:
        return [f"{earlier.folder}: its rows were completed by a version of batchrun that did not mark them for reuse"]
    return [f"{earlier.folder}: {difference}" for difference in mismatches]
