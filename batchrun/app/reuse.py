"""The earlier jobs of `--reuse`: which ones they are, and whether their completed rows can be reused in this job."""

import glob
import logging
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader, reuse_reader, session_reader
from batchrun.adapters.earlier_job import EarlierJob, EarlierJobs, ReuseKeys
from batchrun.adapters.files.kinds import real_path
from batchrun.adapters.files.lock import holder
from batchrun.app.job_differences import differences
from batchrun.app.job_file import read_options
from batchrun.app.job_rows import count_rows
from batchrun.app.pinned_job import decode_pinned, load_job, pinned_options
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.dialects import AUTO
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.filenames import CHECKPOINT, JOB, LOCK, OUTPUTS, PROGRESS
from batchrun.domain.states import State
from batchrun.errors import BatchrunError, InputError, JobBusyError, StorageError
from batchrun.job import Job
from batchrun.options.names import option_name
from batchrun.views.log_names import PROGRESS_LEVEL

log = logging.getLogger("batchrun")

MAX_JOBS = 10
"""Of several earlier jobs, the newest ones are read: each has its own results and those that it has taken over."""

MUST_MATCH = ("workflow_id", "api", "base_url", "simulate")
"""Options that must be equal in both jobs, as otherwise equal inputs may have different outputs."""


REQUEST_OPTIONS = ("workflow_version", "bot_id", "app_id", "ext")
"""Options of each request on which its output may depend. They may change between two commands of a job."""


def earlier_jobs(job: Job, rows: int | None) -> EarlierJobs | None:
    """The jobs of `--reuse`. None without `--reuse`, or if this job will send nothing.

    `rows`: number of input rows if this job has begun, else None. A job that has begun goes on without an earlier one
    that is gone, if all rows were sent. Raises `InputError` with all mistakes, and `StorageError`.
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
    unsent, may_send = (1, True) if rows is None else _left(job, rows)
    if not may_send:
        return None
    try:
        return _found(job, job.reuse)
    except BatchrunError:
        if unsent > 0:
            raise
        return None


def _found(job: Job, reuse: Path) -> EarlierJobs | None:
    if (folders := _several(reuse)) is not None:
        usable = _usable(job, folders)
        return EarlierJobs([_open(job, one, is_newest=one is usable[0]) for one in usable]) if usable else None
    try:
        directory = _directory(reuse)
        problems = _mismatches(job, directory)
    except InputError as error:
        problems = list(error.problems)
    if problems:
        raise InputError(
            *(f"--reuse {problem}" for problem in problems),
            f"Name another job with --reuse, or leave it out (with run: resume has it from {JOB}).",
        )
    return EarlierJobs([_open(job, directory, is_newest=True)])


def _several(path: Path) -> list[Path] | None:
    """The run directories that a glob or a parent folder stands for; None if `path` is to be a run directory itself."""
    if not path.exists() and glob.has_magic(str(path)):
        found: Iterable[Path] = map(Path, glob.glob(str(path)))  # noqa: PTH207 - the path may be absolute
    elif path.is_dir() and not any((path / name).exists() for name in (JOB, CHECKPOINT, OUTPUTS, PROGRESS)):
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
        except InputError as error:
            mismatches, started_at = [str(error)], 0
        except StorageError as error:
            why = "What it has completed would be paid for again. Put a copy back, or move it away"
            raise StorageError(f"--reuse {folder}: cannot be read: {error}. {why}") from None
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


def _open(job: Job, directory: RunDirectory, *, is_newest: bool) -> EarlierJob:
    earlier = load_job(directory.folder)
    with connection.open_reader(directory.checkpoint) as db:
        pinned = decode_pinned(reader.meta(db))
        rows = 0 if pinned is None else pinned.fingerprint.rows
        tally = reader.tally(db, count_rows(db, earlier, rows))
        running, in_doubt = reuse_reader.sent_and_open(db)
    there = "are submitted again here, as each rehearsal has its own service" if job.simulate else "are polled here too"
    then = "are submitted again here" if job.in_doubt == "resubmit" else "are in doubt here as well"
    unsent = "were not sent there: do not go on with that job, unless with --reuse of this one"
    parts = [
        (running, f"have runs there that have not ended, and {there}"),
        (in_doubt, f"are in doubt there, and {then}"),
        (tally[State.QUEUED], unsent),
    ]
    said = "".join(f"; {number:,} {what}" for number, what in parts if number)
    said += "; all this unless a newer job has settled it" if said and not is_newest else ""
    level = logging.WARNING if said else PROGRESS_LEVEL
    log.log(level, "--reuse: %s has %s completed rows%s", directory.folder, f"{tally[State.COMPLETED]:,}", said)
    return EarlierJob(directory.checkpoint, str(directory.folder.absolute()))


def refuse_busy(found: EarlierJobs | None) -> None:
    """Raise `JobBusyError` if a process is working on one of the jobs: it would send rows that are sent here too."""
    for one in () if found is None else found.jobs:
        owner = holder(Path(one.source) / LOCK)
        if owner is not None and owner.is_alive:
            raise JobBusyError(
                f"--reuse {one.source}: process {owner.pid} is working on that job, and would send rows that are sent "
                f"here too. Wait until it has ended: batchrun status {one.source} --watch"
            )


def reuse_keys_of(
    job: Job, mapping: ColumnMapping, found: EarlierJobs | None, digest: Callable[[str], str]
) -> ReuseKeys | None:
    """What adds reuse keys to the rows of the job; None without `--key`. `digest`: see `ReuseKeys`."""
    if job.key is None:
        return None
    adopts = not job.simulate  # each run directory has a simulator of its own
    return ReuseKeys(mapping, job.key, found, digest, job.sweep, holds=job.in_doubt != "resubmit", adopts=adopts)


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


def _left(job: Job, rows: int) -> tuple[int, bool]:
    """The number of rows of a job that has begun which are still to be sent, and whether any row may be sent at all."""
    with connection.open_reader(directory_of(job).checkpoint) as db:
        tally = reader.tally(db, count_rows(db, job, rows))
    return tally[State.QUEUED], tally[State.QUEUED] + tally.with_errors > 0


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
    before, now = _request_options(read_options(earlier.job).values), _request_options(job.model_dump())
    if others := [option_name(name) for name in REQUEST_OPTIONS if before[name] != now[name]]:
        return [f"{earlier.folder}: its rows were sent with another {', '.join(others)}, so outputs may differ"]
    # An API that is not known yet is compared later, see `refuse_other_api`.
    is_unsettled = job.api == AUTO and not job.simulate
    names = [name for name in MUST_MATCH if name != "api"] if is_unsettled else MUST_MATCH
    mismatches = differences(pinned.options, pinned_options(job), names)
    if not mismatches and lacks_reuse_keys:
        return [f"{earlier.folder}: its rows were completed by a version of batchrun that did not mark them for reuse"]
    return [f"{earlier.folder}: {difference}" for difference in mismatches]


def _request_options(values: Mapping[str, object]) -> dict[str, object]:
    return {name: values.get(name) or None for name in REQUEST_OPTIONS}
