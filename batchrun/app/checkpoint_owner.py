"""A checkpoint in a folder of its own (`--checkpoint-dir`) belongs to one run directory.

A copy of that run directory names the same folder. If both went on, each would take the other's rows for its own.
"""

from contextlib import suppress
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.progress_file import read_progress
from batchrun.app.job_file import read_options
from batchrun.app.run_directory import RunDirectory
from batchrun.domain.filenames import CHECKPOINT, JOB, PROGRESS
from batchrun.errors import InputError, StorageError


def refuse_anothers_checkpoint(directory: RunDirectory, *, fresh: bool) -> None:
    """Raise `InputError` if the checkpoint belongs to another run directory, which is still there.

    With `fresh`, another job's checkpoint may be set aside; that of the job of which this is a copy may not.
    """
    if directory.checkpoint_folder.absolute() == directory.folder.absolute():
        return
    meta: dict[str, str] = {}
    with suppress(InputError, StorageError), connection.open_reader(directory.checkpoint) as db:
        meta = reader.meta(db)
    if "folder" not in meta or not _uses(owner := Path(meta["folder"]), directory):
        return
    known = read_progress(directory.folder / PROGRESS)
    if fresh and (known is None or known.job_id != meta.get("job_id")):
        return
    raise InputError(
        f"{directory.folder}: is not the run directory of the checkpoint in {directory.checkpoint_folder}; that is "
        f"{owner}. Is this a copy? Nothing was sent.",
        f"Go on in {owner}. For a job of its own, copy {directory.checkpoint_folder} as well, and name the copy as "
        f"checkpoint-dir in {directory.job}; or choose another -o and --checkpoint-dir.",
    )


def _uses(owner: Path, directory: RunDirectory) -> bool:
    """Whether `owner` is another run directory whose checkpoint is this one."""
    try:
        if directory.folder.exists() and owner.samefile(directory.folder):
            return False
        stored = read_options(owner / JOB).values.get("checkpoint_dir")
        return stored is not None and Path(stored).samefile(directory.checkpoint_folder)
    except (InputError, OSError):
        return False  # it was moved or removed


def moved_checkpoint(directory: RunDirectory) -> str | None:
    """What to do about a checkpoint that is not in the folder that the job names; None if it is there."""
    if directory.checkpoint.exists() or directory.checkpoint_folder.absolute() == directory.folder.absolute():
        return None
    return (
        f"there is no {CHECKPOINT} in {directory.checkpoint_folder}, the checkpoint-dir of {directory.job}. If it was "
        "moved, write there where it is now"
    )
