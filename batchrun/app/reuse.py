"""The earlier job of `--reuse`: whether its completed rows can be reused in this job."""

from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader, reuse_reader
from batchrun.adapters.earlier_job import EarlierJob
from batchrun.app.job_file import read_options
from batchrun.app.pinned_job import decode_pinned, differences, pinned_options
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.dialects import AUTO
from batchrun.domain.filenames import JOB
from batchrun.errors import InputError
from batchrun.job import Job

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
    if job.reuse.resolve() == job.folder.resolve():
        problems.append(f"--reuse {job.reuse}: is this job's own directory. Name that of an earlier job")
    if problems:
        raise InputError(*problems)
    if rows is not None and _all_sent(job, rows):
        return None
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
    return EarlierJob(directory.checkpoint, str(job.reuse.absolute()))


def refuse_other_api(job: Job) -> None:
    """Refuse an earlier job that spoke another API than the one that was found out. Raises `InputError`."""
    if job.reuse is not None and (problems := _mismatches(job, _directory(job.reuse))):
        raise InputError(*(f"--reuse {problem}" for problem in problems))


def _all_sent(job: Job, rows: int) -> bool:
    """Whether every row of a job that has begun was sent."""
    with connection.open_reader(directory_of(job).checkpoint) as db:
        return reader.never_sent(db, reader.total(db, rows, job.limit)) <= 0


def _directory(folder: Path) -> RunDirectory:
    path = folder / JOB
    if not path.exists():
        raise InputError(f"{folder}: holds no job (no {JOB})")
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
