"""The earlier job of `--reuse`: which one it is, and whether its completed rows can be reused in this job."""

import glob
import logging
from collections.abc import Iterable
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader, reuse_reader, session_reader
from batchrun.adapters.earlier_job import EarlierJob
from batchrun.adapters.files.kinds import real_path
from batchrun.app.job_differences import differences
from batchrun.app.job_file import read_options
from batchrun.app.pinned_job import decode_pinned, pinned_options
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.dialects import AUTO
from batchrun.domain.filenames import JOB
from batchrun.domain.states import State
from batchrun.errors import BatchrunError, InputError
from batchrun.job import Job

log = logging.getLogger("batchrun")

MUST_MATCH = ("workflow_id", "api", "base_url", "simulate")
"""Options that must be equal in both jobs, as otherwise equal inputs may have different outputs."""


def earlier_job(job: Job, rows: int | None) -> EarlierJob | None:
    """The job of `--reuse`. None without `--reuse`, or if every row of this job was already sent.

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
        newest = _newest(job, folders)
        return None if newest is None else _open(newest)
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
    return _open(directory)


def _several(path: Path) -> list[Path] | None:
    """The run directories that a glob or a parent folder stands for; None if `path` is to be a run directory itself."""
    if not path.exists() and glob.has_magic(str(path)):
        found: Iterable[Path] = map(Path, glob.glob(str(path)))  # noqa: PTH207 - the path may be absolute
    elif path.is_dir() and not (path / JOB).exists():
        found = path.iterdir()
    else:
        return None
    return [folder for folder in found if (folder / JOB).is_file()]


def _newest(job: Job, folders: list[Path]) -> RunDirectory | None:
    """The directory of the job that was started last, of those whose rows can be reused. None is no mistake."""
    usable, problems = list[tuple[int, RunDirectory]](), list[str]()
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
            usable.append((started_at, directory))
    if usable:
        return max(usable, key=lambda found: (found[0], str(found[1].folder)))[1]
    reason = f" ({problems[-1]})" if problems else ""
    log.warning("--reuse %s: holds no earlier job of this workflow, so nothing is taken over%s", job.reuse, reason)
    return None


def _started_at(directory: RunDirectory) -> int:
    with connection.open_reader(directory.checkpoint) as db:
        return max((session.started_at for session in session_reader.sessions(db)), default=0)


def _open(directory: RunDirectory) -> EarlierJob:
    with connection.open_reader(directory.checkpoint) as db:
        tally = reader.tally(db, 0)
    left = tally[State.RUNNING] + tally[State.SUBMITTING] + tally[State.IN_DOUBT]
    also = f"; {left:,} more have not ended there and are submitted again here: resume it first" if left else ""
    log.warning("--reuse: %s has %s completed rows%s", directory.folder, f"{tally[State.COMPLETED]:,}", also)
    return EarlierJob(directory.checkpoint, str(directory.folder.absolute()))


def refuse_other_api(job: Job) -> None:
    """Refuse an earlier job that spoke another API than the one that was found out. Raises `InputError`."""
    if job.reuse is not None and (problems := _mismatches(job, _directory(job.reuse))):
        raise InputError(*(f"--reuse {problem}" for problem in problems))


def _all_sent(job: Job, rows: int) -> bool:
    """Whether every row of a job that has begun was sent."""
    with connection.open_reader(directory_of(job).checkpoint) as db:
        return reader.never_sent(db, reader.total(db, job.sweep.rows(rows), job.row_limit)) <= 0


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
