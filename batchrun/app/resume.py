"""Loads the job of a run directory with changed options, for `resume` and `retry`."""

from collections.abc import Mapping
from pathlib import Path

from batchrun.adapters.files.lock import refuse_held
from batchrun.app.pinned_job import load_job
from batchrun.domain.filenames import LOCK
from batchrun.errors import InputError
from batchrun.job import PINNED, Job
from batchrun.options.types import folder_of
from batchrun.options.validation import build

BEGIN_AGAIN = "If nothing was accepted yet, run the corrected job"

FIXED = (*(name for name in PINNED if name != "api"), "input", "out", "checkpoint_dir")
"""Options that cannot change between two commands on one run directory. `api` can change while no run depends on it."""


def job_to_resume(folder: Path | str) -> Job:
    """The job stored in `folder`. Raises `JobBusyError`, and reads nothing of it, if another process works on it."""
    folder = folder_of(folder)
    refuse_held(folder / LOCK)
    return load_job(folder, even_without_checkpoint=True)


def resumed_job(folder: Path | str, changes: Mapping[str, object]) -> Job:
    """The job stored in `folder`, with these fields changed.

    Raises `InputError` if there is no job, for fields that cannot change, and for invalid values.
    """
    folder = folder_of(folder)
    stored_job = job_to_resume(folder)
    problems = [
        f"{name}: belongs to what makes the job in {folder} this job, and cannot change. {BEGIN_AGAIN}"
        for name in changes
        if name in FIXED
    ]
    if "fresh" in changes:
        problems.append("fresh: starts a job anew, which only run does")
    allowed = {name: value for name, value in changes.items() if name not in (*FIXED, "fresh")}
    try:
        job = build(Job, stored_job.model_dump() | allowed, str)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(*problems)
    return job
