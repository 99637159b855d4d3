"""The Parquet files, written from the checkpoint at any time."""

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import msgspec

from batchrun.adapters.checkpoint import connection, reader, results_reader
from batchrun.adapters.results.selections import Selections
from batchrun.adapters.results.writer import write_results
from batchrun.adapters.tables import Table, stamp
from batchrun.app.input_checks import inspected, selections_of, table_of
from batchrun.app.pinned_job import recorded_in, recorded_job
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.domain.filenames import RESULTS
from batchrun.errors import InputError, StorageError
from batchrun.job import Job, build_job


def recorded_table(job: Job) -> Table:
    """The input of a job that has begun; raises `InputError` where it is no longer what the results are of."""
    table = table_of(job)
    known = recorded_in(directory_of(job).checkpoint)
    if known is None:
        raise InputError(f"{job.folder}: its job has not begun yet")
    found = inspected(job, table, known)
    if found.prefix_matches is False:
        raise InputError(
            f"{job.input}: is no longer the input that the job in {job.folder} has worked on. Put it back as it was"
        )
    return found.table


def export(
    folder: Path | str,
    to: Path | str | None = None,
    *,
    select: Mapping[str, str] | None = None,
    flatten: bool | None = None,
) -> None:
    """Write `outputs.parquet` and `errors.parquet` of the job in `folder`, there or in the folder `to`.

    Works while the job runs, then with the rows that had ended by now. `select` (name → JMESPath expression) and
    `flatten` are those of the job unless they are given here. Raises `InputError` where there is no job, its input
    cannot be read, or a selection cannot be made, `StorageError` where a file cannot be written.

        batchrun.export("rows-run", to="snapshot")
    """
    asked = {"select": select, "flatten": flatten}
    given = {name: value for name, value in asked.items() if value is not None}
    job = build_job(recorded_job(Path(folder)).model_dump() | given)
    table = recorded_table(job)
    selections = selections_of(job, table)
    target = None if to is None else Path(to)
    if target is not None:
        try:
            target.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{target}: cannot be made: {error.strerror}") from None
    write_files(directory_of(job), table, job.key, selections, target, reuse=job.reuse is not None)


def write_files(
    directory: RunDirectory,
    table: Table,
    key: str | None,
    selections: Selections,
    to: Path | None = None,
    *,
    reuse: bool = False,
) -> None:
    """Write both files from the checkpoint, in input order; each replaces its predecessor whole.

    With `reuse`, and where rows were taken over, they have the column that says where from.
    """
    # The outputs are read twice, and a job may be running: what came in between would not fit the types agreed upon.
    with connection.open_reader(directory.checkpoint) as db, connection.read_snapshot(db):
        columns = selections.agree(results_reader.outputs(db))
        reuse = reuse or reader.reused(db) > 0
        try:
            write_results(table, results_reader.result_rows(db), to or directory.folder, key, columns, reuse=reuse)
        except InputError as error:
            # The input was good when the job began: it has changed under our hands.
            raise StorageError(str(error)) from None


def state_of(db: sqlite3.Connection, job: Job, table: Table) -> str:
    """What the files show: so many changes of rows, these columns of the input, selections, and rows taken over.

    The columns may be other ones though no row has changed: rows that were appended give them other types.
    """
    changes = sum(session.changes for session in reader.sessions(db))
    facts = [changes, str(table.schema), table.restore, [*job.select.items()], job.flatten, job.reuse is not None]
    return msgspec.json.encode(facts, order="deterministic").decode()


def stamp_of(folder: Path, state: str) -> str | None:
    """What tells that the files show `state` (`state_of`) and were not touched since; None where one is not there."""
    try:
        stamps = [stamp(folder / name) for name in RESULTS]
    except OSError:
        return None
    return msgspec.json.encode([state, *stamps]).decode()
