"""Recognises a run directory whose checkpoint has lost records, is damaged, or is of another job.

A new job, or the rest of what was recorded, would pay again for rows that were submitted before.
"""

import logging
import shlex
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from batchrun.adapters.checkpoint import connection, reader, session_reader
from batchrun.adapters.checkpoint.damage import damage_of
from batchrun.adapters.checkpoint.progress_file import Progress, is_behind, is_of_another_job, read_progress
from batchrun.app.checkpoint_owner import moved_checkpoint
from batchrun.app.run_directory import RunDirectory
from batchrun.domain.filenames import CHECKPOINT, OUTPUTS, PROGRESS, RESULTS, write_ahead_log
from batchrun.errors import InputError, StorageError

log = logging.getLogger("batchrun")

ALWAYS_CHECKED = 4 << 20
"""Bytes up to which a checkpoint is always checked for damage, which takes about 0.1 s. A larger one is checked if it
was copied since the last session."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Why the checkpoint cannot be trusted. `rows`: the number after the highest row that may have been submitted.

    It is None if that is not known. `is_damaged`: the database cannot be used at all.
    """

    reason: str
    rows: int | None
    is_damaged: bool = False


def find_loss(directory: RunDirectory) -> Loss | None:
    """What was lost of the checkpoint, as far as it can be noticed; None if nothing was. Changes nothing."""
    known = [found for path in directory.progress if (found := read_progress(path)) is not None]
    rows = max((found.rows for found in known), default=None)
    if directory.checkpoint_folder != directory.folder:
        rows = None  # the copy in the run directory is as of the start of the session
    path = directory.checkpoint
    if not path.exists():
        where = moved_checkpoint(directory)
        reason = f"its {CHECKPOINT} is gone" + (f": {where}" if where else "")
        return Loss(reason, rows) if directory.is_used_apart_from_checkpoint else None
    log_file = write_ahead_log(path)
    is_alone = not known and not (log_file.exists() and log_file.stat().st_size)
    try:
        with connection.open_reader(path) as db:
            if is_alone and _was_killed_with_progress(db):
                what = f"its {PROGRESS} and its {log_file.name} are missing, and the last session was killed"
                return Loss(f"{what} ({CHECKPOINT} was copied alone)", None)
            return _loss_of(db, directory, known, rows)
    except StorageError as error:
        if (damage := damage_of(error.__context__)) is None:
            raise
        return Loss(f"its {CHECKPOINT} is damaged: {damage}", rows, is_damaged=True)
    except connection.EmptyCheckpointError:
        return Loss(f"its {CHECKPOINT} is empty", rows) if directory.is_used_apart_from_checkpoint else None


def _was_killed_with_progress(db: sqlite3.Connection) -> bool:
    """Whether the last session did not end, and kept a file of its progress."""
    if "keeps_progress" not in reader.meta(db):
        return False
    last = session_reader.sessions(db)[-1:]
    return bool(last) and last[0].ended_at is None


def _loss_of(
    db: sqlite3.Connection, directory: RunDirectory, known: Iterable[Progress], rows: int | None
) -> Loss | None:
    found = directory.checkpoint.stat()
    if found.st_size <= ALWAYS_CHECKED or any(one.inode != found.st_ino for one in known):
        if found.st_size > ALWAYS_CHECKED:
            log.warning("%s was copied; checking it for damage", directory.checkpoint)
        (problem,) = db.execute("PRAGMA integrity_check(1)").fetchone()
        if problem != "ok":
            return Loss(f"its {CHECKPOINT} is damaged: {' '.join(problem.split())}", rows, is_damaged=True)
    elif (row := reader.row_of_unknown_run(db)) is not None:
        return Loss(f"its {CHECKPOINT} is damaged: row {row} has another run_id than it had", rows, is_damaged=True)
    if "pinned" not in reader.meta(db):
        return Loss(f"its {CHECKPOINT} holds no job", rows) if directory.is_used_apart_from_checkpoint else None
    for one in known:
        if is_of_another_job(db, one):
            log_name = write_ahead_log(directory.checkpoint).name
            return Loss(f"its {CHECKPOINT}, or the {log_name} beside it, is of another job", rows)
        if is_behind(db, one):
            return Loss(
                f"its {CHECKPOINT} has lost records: is {write_ahead_log(directory.checkpoint).name} missing or "
                "damaged, or is this an older copy",
                rows,
            )
    return None


def refuse_loss(directory: RunDirectory) -> None:
    """Raise `InputError` if the checkpoint has lost records."""
    if (loss := find_loss(directory)) is not None:
        raise refusal(directory, loss)


def refusal(directory: RunDirectory, loss: Loss) -> InputError:
    """The error for a command that may not go on."""
    folder = shlex.quote(f"./{directory.folder}" if str(directory.folder).startswith("-") else str(directory.folder))
    rows = "every row" if loss.rows is None else f"every row up to {loss.rows - 1}" if loss.rows else "no row"
    first = f"move {CHECKPOINT} away, then `" if loss.is_damaged else "`"
    return InputError(
        f"{directory.folder}: {loss.reason}. Rows would be paid for again; nothing was sent.",
        f"Put the right files back. Without them: {_what_is_left(directory, folder, loss)}; {first}"
        f"batchrun resume {folder} --in-doubt hold` (or resubmit, or fail) takes {rows} that is not recorded as in "
        "doubt; --fresh or another -o starts anew.",
    )


def _what_is_left(directory: RunDirectory, folder: str, loss: Loss) -> str:
    """Where the results up to now are, for a message."""
    if not loss.is_damaged and directory.checkpoint.exists() and directory.checkpoint.stat().st_size:
        return f"`batchrun export {folder} --to DIR2` writes what is left"
    if (directory.folder / OUTPUTS).exists():
        return f"the results so far are in {directory.folder / OUTPUTS} (copy it)"
    return f"nothing is left that `batchrun export {folder}` could write"


def set_results_aside(directory: RunDirectory, now: int) -> None:
    """Rename the result files of before the loss, because those that this session writes may have fewer rows."""
    stamp = datetime.fromtimestamp(now / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    for name in RESULTS:
        path = directory.folder / name
        if path.exists():
            aside = path.with_name(f"{path.stem}.{stamp}{path.suffix}")
            try:
                path.rename(aside)
            except OSError as error:
                raise StorageError(f"{path}: cannot be set aside: {error.strerror}") from None
            if name == OUTPUTS:
                log.warning("the results of before the loss are kept as %s", aside)
