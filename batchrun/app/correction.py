"""Whether a job may take the place of another one in its run directory, because nothing of that was accepted."""

from contextlib import suppress

from batchrun.adapters.checkpoint import connection, evidence, reader
from batchrun.adapters.files.kinds import real_path
from batchrun.app.input_checks import open_input
from batchrun.app.job_differences import differences
from batchrun.app.lost_checkpoint import find_loss
from batchrun.app.pinned_job import PinnedJob, decode_pinned, pinned_options, with_settled_options
from batchrun.app.run_directory import RunDirectory
from batchrun.errors import InputError, StorageError
from batchrun.job import Job


def takes_place(job: Job, directory: RunDirectory) -> bool:
    """Whether `job` differs from the one in the directory, of which POSTs were refused and nothing was accepted.

    The latter is set aside then, as with `--fresh`. A checkpoint that may have lost records shows nothing of the kind,
    nor does one that cannot be read.
    """
    if not directory.checkpoint.exists() or real_path(job.input).is_relative_to(real_path(directory.folder)):
        return False
    with suppress(InputError, StorageError):
        if find_loss(directory) is not None:
            return False
        with connection.open_reader(directory.checkpoint) as db:
            if evidence.is_untouched(db) or not evidence.was_nothing_accepted(db):
                return False
            meta = reader.meta(db)
        pinned = decode_pinned(meta)
        return pinned is not None and (
            _differs(job, pinned) or ("is_mistake" in meta and _has_other_input(job, pinned))
        )
    return False


def _differs(job: Job, pinned: PinnedJob) -> bool:
    now = pinned_options(with_settled_options(job, pinned))
    return bool(differences(pinned.options, now, may_change_api=pinned.foreign_api is not None))


def _has_other_input(job: Job, pinned: PinnedJob) -> bool:
    return open_input(job).stamp != pinned.stamp
