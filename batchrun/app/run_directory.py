"""The run directory: what is in it, who owns it, and how it is set aside."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import EACCES
from pathlib import Path

from batchrun.adapters.checkpoint.writer import refuse_lost_checkpoint
from batchrun.adapters.files.lock import owned
from batchrun.domain.filenames import CHECKPOINT, JOB, LOCK, OUTPUTS, SIMULATOR, SUMMARY, sqlite_files
from batchrun.errors import InputError, StorageError
from batchrun.job import Job


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The files of one job. The checkpoint and its lock may be in a folder of their own."""

    folder: Path
    checkpoint_folder: Path

    @property
    def checkpoint(self) -> Path:
        """The truth."""
        return self.checkpoint_folder / CHECKPOINT

    @property
    def lock(self) -> Path:
        """Held by the process that works on the job."""
        return self.folder / LOCK

    @property
    def checkpoint_lock(self) -> Path:
        """Held as well: another run directory may name the same folder for its checkpoint."""
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
    def simulator(self) -> Path:
        """The simulator's runs."""
        return self.folder / SIMULATOR


def directory_of(job: Job) -> RunDirectory:
    """The run directory of a job."""
    return RunDirectory(job.folder, job.checkpoint_folder)


@contextmanager
def owned_directory(job: Job, *, fresh: bool, now: int) -> Iterator[RunDirectory]:
    """Make the run directory and hold it; raises `JobBusyError` where another process does.

    With `fresh`, what is there is renamed first. If no job comes of it (a mistake, a signal before the first request),
    all is again as it was.
    """
    directory = directory_of(job)
    made = _make(directory)
    aside: list[tuple[Path, Path]] = []
    with ExitStack() as held:
        locks = list(dict.fromkeys((directory.lock, directory.checkpoint_lock)))
        new_locks = [lock for lock in locks if not lock.exists()]
        for lock in locks:
            held.enter_context(owned(lock))
        try:
            if fresh and (directory.checkpoint.exists() or (directory.folder / OUTPUTS).exists()):
                aside = _set_aside(directory, now)
                made = _make(directory)
                held.enter_context(owned(directory.lock))  # the other one went with its folder
                new_locks.append(directory.lock)
            refuse_lost_checkpoint(directory.folder, directory.checkpoint)
            yield directory
        except BaseException:
            if not directory.checkpoint.exists():
                _undo(new_locks, made, aside)
            raise


def _undo(new_locks: list[Path], made: list[Path], aside: list[tuple[Path, Path]]) -> None:
    """Nothing came of it: take away what was made, and put back what was set aside; still as its owner."""
    with suppress(OSError):
        for lock in new_locks:
            lock.unlink(missing_ok=True)
        for folder in reversed(made):
            folder.rmdir()
        for before, after in reversed(aside):
            after.rename(before)


def _make(directory: RunDirectory) -> list[Path]:
    """Make both folders; those that were not there before."""
    made: list[Path] = []
    for folder in (directory.folder, directory.checkpoint_folder):
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(EACCES, "no permission to write")
        except FileExistsError:
            raise InputError(f"{folder}: is a file, not a directory. Choose another with -o") from None
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be written: {error.strerror}. Choose another directory with -o"
            ) from None
        made += reversed(missing)
    return made


def _set_aside(directory: RunDirectory, now: int) -> list[tuple[Path, Path]]:
    """Rename what is there; the old and the new names."""
    here = Path.cwd()
    if directory.folder.resolve() in {here, *here.parents}:
        raise InputError(
            f"--fresh cannot rename {directory.folder}, the working directory. Start from elsewhere, or use -o"
        )
    stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    paths = [directory.folder.absolute()]
    if directory.checkpoint_folder != directory.folder:
        paths += [path.absolute() for path in sqlite_files(directory.checkpoint) if path.exists()]
    number, done = 1, list[tuple[Path, Path]]()
    while any(path.with_name(_named(path, stamp, number)).exists() for path in paths):
        number += 1
    try:
        for path in paths:
            done.append((path, path.rename(path.with_name(_named(path, stamp, number)))))
    except OSError as error:
        raise StorageError(f"{path}: cannot be set aside: {error.strerror}") from None
    return done


def _named(path: Path, stamp: str, number: int) -> str:
    return f"{path.name}.{stamp}" + (f"-{number}" if number > 1 else "")
