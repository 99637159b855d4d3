"""The job of a run directory, as a command that goes on with it takes it."""

from collections.abc import Mapping
from pathlib import Path

from batchrun.app.pinned_job import recorded_job
from batchrun.errors import InputError
from batchrun.job import PINNED, Job, build_job

FIXED = (*PINNED, "input", "out", "checkpoint_dir")
"""What cannot change between two commands on one run directory."""


def resumed_job(folder: Path, changes: Mapping[str, object]) -> Job:
    """The job recorded in `folder` with these fields changed.

    Raises `InputError` where there is no job, for fields that cannot change, and for values that make no sense.
    """
    recorded = recorded_job(folder)
    problems = [
        f"{name}: belongs to what makes the job in {folder} this job, and cannot change"
        for name in changes
        if name in FIXED
    ]
    free = {name: value for name, value in changes.items() if name not in FIXED}
    try:
        job = build_job(recorded.model_dump() | free)
    except InputError as error:
        problems += error.problems
    if problems:
        raise InputError(*problems)
    return job
