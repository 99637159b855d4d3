"""The run directory: its files, its lock, and renaming it for `--fresh`."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from errno import EACCES
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.files.atomic import sync_folder
from batchrun.adapters.files.kinds import real_path, refuse_special
from batchrun.adapters.files.lock import owned
from batchrun.adapters.interruption import uninterrupted
from batchrun.app.job_file import name_checkpoint_dir, was_resolved
from batchrun.domain.filenames import (
    CHECKPOINT,
    JOB,
    LOCK,
    MARKS,
    OUTPUTS,
    OWN_FILES,
    PROGRESS,
    REPORT,
    SIMULATOR,
    SUMMARY,
    checkpoint_files,
    write_ahead_log,
)
from batchrun.domain.states import State
from batchrun.domain.undecoded import is_text, shown_name
from batchrun.errors import InputError, StorageError
from batchrun.job import Job
from batchrun.views.number_format import count

_OVERWRITTEN = OWN_FILES - {JOB, LOCK, SIMULATOR, REPORT}
"""The files that a job writes from its first command on, without those that are checked apart."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The files of one job. The checkpoint and its lock may be in a separate folder."""

    folder: Path
    checkpoint_folder: Path
    set_aside: str = ""
    """What to say of the job that was here before, and was set aside; empty if there was none."""

    @property
    def checkpoint(self) -> Path:
        """The database with the state of every row."""
        return self.checkpoint_folder / CHECKPOINT

    @property
    def marks(self) -> Path:
        """How far the POSTs in progress have come. It exists while a command runs, and after one was killed."""
        return self.checkpoint_folder / MARKS

    @property
    def lock(self) -> Path:
        """The file that is locked by the process that runs the job."""
        return self.folder / LOCK

    @property
    def checkpoint_lock(self) -> Path:
        """Locked too, because another run directory may use the same folder for its checkpoint."""
        return self.checkpoint_folder / LOCK

    @property
    def job(self) -> Path:
        """The resolved job."""
        return self.folder / JOB

    @property
    def summary(self) -> Path:
        """The last summary."""
        return self.folder / SUMMARY

    @property
    def folders(self) -> tuple[Path, ...]:
        """The run directory, and the folder of the checkpoint if it is another one."""
        return tuple(dict.fromkeys((self.folder, self.checkpoint_folder)))

    @property
    def locks(self) -> tuple[Path, ...]:
        """The files that are locked by the process that runs the job."""
        return tuple(dict.fromkeys((self.lock, self.checkpoint_lock)))

    @property
    def files_held(self) -> tuple[Path, ...]:
        """The files that the process that runs the job keeps open."""
        return (*self.locks, self.checkpoint, write_ahead_log(self.checkpoint))

    @property
    def progress(self) -> tuple[Path, ...]:
        """How far the checkpoint was: beside it, and in the run directory."""
        return tuple(dict.fromkeys((self.checkpoint_folder / PROGRESS, self.folder / PROGRESS)))

    @property
    def is_used(self) -> bool:
        """Whether a job has begun here."""
        return self.checkpoint.exists() or self.is_used_apart_from_checkpoint

    @property
    def is_used_apart_from_checkpoint(self) -> bool:
        """Whether files other than the checkpoint show that a job has begun here."""
        files = (self.folder / OUTPUTS, *self.progress)
        return any(path.exists() for path in files) or was_resolved(self.job)

    @property
    def simulator(self) -> Path:
        """The simulator's database of runs."""
        return self.folder / SIMULATOR


def directory_of(job: Job) -> RunDirectory:
    """The run directory of a job."""
    return RunDirectory(job.folder, job.checkpoint_folder)


@contextmanager
def locked_directory(
    job: Job, *, fresh: bool, now: int, takes_place: Callable[[RunDirectory], bool] = lambda _: False
) -> Iterator[RunDirectory]:
    """Create the run directory and lock it. Raises `JobBusyError` if another process has locked it.

    With `fresh`, an existing directory is renamed first, as it is if `job` takes its place. If no job is created
    (because of a mistake, or of a signal before the first request), all changes are undone.
    """
    directory = directory_of(job)
    for folder in (directory.folder.absolute(), directory.checkpoint_folder.absolute()):
        if not is_text(str(folder)):
            raise InputError(f"{shown_name(str(folder))}: its name is not UTF-8. Rename it, or start from elsewhere")
    if fresh and directory.is_used and real_path(job.input).is_relative_to(real_path(directory.folder)):
        raise InputError(
            f"--fresh would set {directory.folder} aside, with the input {job.input} in it. Move the input, or use "
            "another -o"
        )
    _refuse_foreign_locks(directory)
    refuse_special(directory.locks)
    created, new_locks, renamed = list[Path](), list[Path](), list[tuple[Path, Path]]()
    with ExitStack() as stack:
        try:
            with uninterrupted():
                created += _create_folders(directory)
                for lock in directory.locks:
                    is_new = not lock.exists()
                    stack.enter_context(owned(lock))
                    new_locks += [lock] if is_new else []
            refuse_files_of_user(directory)  # now no other command can be about to begin
            if directory.is_used and (fresh or takes_place(directory)):
                completed = _completed_rows(directory)
                with uninterrupted():
                    renamed = _rename_existing(directory, now)
                    directory = replace(directory, set_aside=_set_aside(renamed[0], completed, fresh=fresh))
                    created = _create_folders(directory)
                    stack.enter_context(owned(directory.lock))  # the first lock was renamed with its folder
                    new_locks.append(directory.lock)
            yield directory
        except BaseException:
            with uninterrupted():
                if not directory.checkpoint.exists():
                    _undo(new_locks, created, renamed)
            raise


def _completed_rows(directory: RunDirectory) -> int:
    """Those of the job that is to be set aside, as far as they can be counted."""
    with suppress(InputError, StorageError), connection.open_reader(directory.checkpoint) as db:
        return reader.tally(db, 0)[State.COMPLETED]
    return 0


def _set_aside(renamed: tuple[Path, Path], completed: int, *, fresh: bool) -> str:
    before, after = renamed
    if not fresh:
        return f"nothing of the job in {before.name} was accepted; it is now {after.name}, and this one begins anew"
    again = f", with {count(completed, 'completed row')}, which this job submits again" if completed else ""
    return f"--fresh: {before.name} is now {after.name}{again}"


def refuse_files_of_user(directory: RunDirectory) -> None:
    """Raise `InputError` if no job has begun here, and there are files whose names a job would use for its own."""
    if directory.is_used:
        return
    _refuse_foreign_locks(directory)
    if directory.job.exists():
        raise InputError(f"{directory.job}: is a job file of your own, which the job would overwrite. {_OTHER}")
    beside_checkpoint = (path.name for path in checkpoint_files(directory.checkpoint))
    paths = [directory.folder / name for name in sorted(_OVERWRITTEN)]
    paths += [directory.checkpoint_folder / name for name in beside_checkpoint]
    foreign = next((path for path in paths if path.is_file()), None)
    if foreign is not None and not directory.is_used:  # without the lock, a job may have begun meanwhile
        raise _foreign(foreign)


def _refuse_foreign_locks(directory: RunDirectory) -> None:
    """Raise `InputError` if a file with the name of a lock holds something else, which to lock it would delete.

    After a power cut, it may have zeros in place of its text.
    """
    for path in directory.locks:
        with suppress(OSError):
            if (
                path.is_file()
                and (content := path.read_bytes().replace(b"\0", b" ").split())
                and not content[0].isdigit()
            ):
                raise _foreign(path)


_OTHER = "Choose another directory with -o"


def _foreign(path: Path) -> InputError:
    return InputError(f"{path}: is not of a job here, and a job would overwrite it. {_OTHER}")


def _undo(new_locks: list[Path], created: list[Path], renamed: list[tuple[Path, Path]]) -> None:
    """Delete what was created and rename back what was set aside. Call it while the locks are held."""
    with suppress(OSError):
        for lock in new_locks:
            lock.unlink(missing_ok=True)
        for folder in reversed(created):
            folder.rmdir()
        for before, after in reversed(renamed):
            after.rename(before)
        for before, after in renamed[1:2]:  # the checkpoint was in another folder
            name_checkpoint_dir(renamed[0][0] / JOB, before.parent)
            after.parent.rmdir()


def _create_folders(directory: RunDirectory) -> list[Path]:
    """Create both folders, on the disk too: what is synced in them later is lost with their names.

    Returns the folders that did not exist before.
    """
    created: list[Path] = []
    for folder in (directory.folder, directory.checkpoint_folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for path in missing or ([] if directory.checkpoint.exists() else [folder]):
                sync_folder(path.parent)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(EACCES, "no permission to write")
        except FileExistsError:
            raise InputError(f"{folder}: is a file, not a directory. Choose another with -o") from None
        except OSError as error:
            advice = "Make it writable" if directory.is_used else "Choose another directory with -o"
            raise InputError(f"{folder}: cannot be written: {error.strerror}. {advice}") from None
        created += reversed(missing)
    return created


def _rename_existing(directory: RunDirectory, now: int) -> list[tuple[Path, Path]]:
    """Rename the existing directory and checkpoint. Returns pairs of the old and the new path."""
    working_directory = Path.cwd()
    if real_path(directory.folder) in {working_directory, *working_directory.parents}:
        raise InputError(
            f"--fresh cannot rename {directory.folder}, the working directory. Start from elsewhere, or use -o"
        )
    stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    folder, checkpoint = directory.folder.absolute(), directory.checkpoint_folder.absolute()
    number, renamed = 1, list[tuple[Path, Path]]()
    while any((parent / _new_name(folder, stamp, number)).exists() for parent in (folder.parent, checkpoint)):
        number += 1
    name = _new_name(folder, stamp, number)
    pairs = [(folder, folder.with_name(name))]
    try:
        if checkpoint != folder:  # the checkpoint gets a folder of its own, which the set-aside job names
            (checkpoint / name).mkdir(mode=0o700)
            files = [path for path in checkpoint_files(checkpoint / CHECKPOINT) if path.exists()]
            pairs += [(path, checkpoint / name / path.name) for path in files]
        for path, target in pairs:
            renamed.append((path, path.rename(target)))
        if checkpoint != folder:
            name_checkpoint_dir(folder.with_name(name) / JOB, checkpoint / name)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be set aside: {error.strerror}") from None
    return renamed


def _new_name(path: Path, stamp: str, number: int) -> str:
    return f"{path.name}.{stamp}" + (f"-{number}" if number > 1 else "")
