"""The earlier job that `--reuse` names: whether its completed rows may stand for those of this one."""

from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader, reuse_reader
from batchrun.adapters.earlier_job import EarlierJob
from batchrun.app.job_file import read_options
from batchrun.app.pinned_job import differences, pinned_facts, recorded
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.domain.filenames import JOB
from batchrun.errors import InputError
from batchrun.job import Job

ALIKE = ("workflow_id", "api", "base_url", "simulate")
"""In what both jobs must agree, or equal inputs would not ask for equal outputs."""


def earlier_job(job: Job, rows: int | None) -> EarlierJob | None:
    """What `--reuse` names; None without it, and where every row of this job was sent already.

    So a finished job can be resumed when the earlier one is long gone. `rows` are those of the input of a job that has
    begun. Raises `InputError` with what is wrong.
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
        problems = _misfits(job, directory)
    except InputError as error:
        problems = list(error.problems)
    if problems:
        raise InputError(
            *(f"--reuse {problem}" for problem in problems),
            f"Name another job with --reuse, or leave it out (with run: resume has it from {JOB}).",
        )
    return EarlierJob(directory.checkpoint, str(job.reuse.absolute()))


def _all_sent(job: Job, rows: int) -> bool:
    """Whether a job that has begun has no row left that was never sent."""
    with connection.open_reader(directory_of(job).checkpoint) as db:
        return reader.never_sent(db, reader.total(db, rows, job.limit)) <= 0


def _directory(folder: Path) -> RunDirectory:
    path = folder / JOB
    if not path.exists():
        raise InputError(f"{folder}: holds no job (no {JOB})")
    return RunDirectory(folder, read_options(path).values.get("checkpoint_dir") or folder)


def _misfits(job: Job, earlier: RunDirectory) -> list[str]:
    """Why nothing can be taken over from `earlier`."""
    with connection.open_reader(earlier.checkpoint) as db:
        known = recorded(reader.meta(db))
        unmarked = reuse_reader.has_no_reuse_keys(db)
    if known is None:
        return [f"{earlier.folder}: its job has not begun yet"]
    if known.pinned.get("key") is None:
        return [f"{earlier.folder}: its job has no --key, so that its rows cannot be recognised"]
    different = differences(known.pinned, pinned_facts(job), ALIKE)
    if not different and unmarked:
        return [f"{earlier.folder}: its rows were completed by a version of batchrun that did not mark them for reuse"]
    return [f"{earlier.folder}: {difference}" for difference in different]
