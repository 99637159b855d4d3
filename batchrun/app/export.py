"""Writes the Parquet files from the checkpoint, also while the job runs."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import msgspec

from batchrun.adapters.checkpoint import connection, reader, results_reader
from batchrun.adapters.results.selections import Selections
from batchrun.adapters.results.writer import write_results
from batchrun.adapters.tables import Table, stamp
from batchrun.app.input_checks import inspect_input, open_input, selections_of
from batchrun.app.pinned_job import load_job, read_pinned
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.domain.filenames import RESULTS
from batchrun.errors import InputError, StorageError
from batchrun.job import Job, build_job


def reopen_input(job: Job) -> Table:
    """The input of a job that has begun. Raises `InputError` if the rows processed so far have changed."""
    table = open_input(job)
    pinned = read_pinned(directory_of(job).checkpoint)
    if pinned is None:
        raise InputError(f"{job.folder}: its job has not begun yet")
    inspection = inspect_input(job, table, pinned)
    if inspection.prefix_matches is False:
        raise InputError(
            f"{job.input}: is no longer the input that the job in {job.folder} has worked on. Put it back as it was"
        )
    return inspection.table


def export(
    folder: Path | str,
    to: Path | str | None = None,
    *,
    select: Mapping[str, str] | None = None,
    flatten: bool | None = None,
) -> None:
    """Write `outputs.parquet` and `errors.parquet` of the job in `folder`, there or to the folder `to`.

    Also works while the job runs; the files then hold the rows that are finished so far. `select` (name → JMESPath
    expression) and `flatten` default to the job's own. Raises `InputError` if there is no job, its input cannot be
    read, or a selection is invalid, and `StorageError` if a file cannot be written.

        batchrun.export("rows-run", to="snapshot")
    """
    options = {"select": select, "flatten": flatten}
    overrides = {name: value for name, value in options.items() if value is not None}
    job = build_job(load_job(Path(folder)).model_dump() | overrides)
    table = reopen_input(job)
    selections = selections_of(job, table)
    target = None if to is None else Path(to)
    if target is not None:
        try:
            target.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise InputError(f"--to {target}: exists and is not a directory") from None
        except OSError as error:
            raise InputError(f"--to {target}: cannot be made: {error.strerror}") from None
    reuse, details = job.reuse is not None, job.dialect.tells_details
    write_files(directory_of(job), table, job.key, selections, target, reuse=reuse, details=details)


def write_files(
    directory: RunDirectory,
    table: Table,
    key: str | None,
    selections: Selections,
    to: Path | None = None,
    *,
    reuse: bool = False,
    details: bool = False,
) -> None:
    """Write both files from the checkpoint, in input order. Each replaces the old file atomically.

    `reuse`: add the column with the source of reused rows even if no row was reused. `details`: add the columns for
    what the service reports about a run besides its state.
    """
    # The outputs are read twice, first to determine the column types. Rows that a running job adds in between might not
    # fit these types, so both reads use one snapshot.
    with connection.open_reader(directory.checkpoint) as db, connection.read_snapshot(db):
        columns = selections.agree(results_reader.outputs(db))
        reuse = reuse or reader.reused(db) > 0
        try:
            rows = results_reader.result_rows(db, details=details)
            write_results(table, rows, to or directory.folder, key, columns, reuse=reuse, details=details)
        except InputError as error:
            # The input was checked before, so it has changed while it was read.
            raise StorageError(str(error)) from None


def export_state(db: sqlite3.Connection, job: Job, table: Table) -> str:
    """Identifies the contents of the files: the number of row changes, the input columns, the selections, and reuse.

    The input columns are part of it because appended rows can change their types without any row change.
    """
    changes = sum(session.changes for session in reader.sessions(db))
    parts = [changes, str(table.schema), table.restore, [*job.select.items()], job.flatten, job.reuse is not None]
    return msgspec.json.encode(parts, order="deterministic").decode()


def export_stamp(folder: Path, state: str) -> str | None:
    """Changes if `state` (see `export_state`) or one of the files changes. None if a file is missing."""
    try:
        stamps = [stamp(folder / name) for name in RESULTS]
    except OSError:
        return None
    return msgspec.json.encode([state, *stamps]).decode()
