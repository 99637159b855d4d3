"""Writes the Parquet files from the checkpoint, also while the job runs."""

import logging
import sqlite3
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.checkpoint import connection, reader, results_reader
from batchrun.adapters.files.kinds import real_path, refuse_special
from batchrun.adapters.results.previous import PreviousResults, previous_results
from batchrun.adapters.results.selections import Selections
from batchrun.adapters.results.writer import write_results
from batchrun.adapters.tables import Table, stamp
from batchrun.app.input_checks import inspect_input, open_input, selections_of
from batchrun.app.pinned_job import PinnedJob, decode_pinned, load_job, read_pinned
from batchrun.app.run_directory import directory_of
from batchrun.app.swept import swept
from batchrun.domain.filenames import JOB, OUTPUTS, RESULTS
from batchrun.domain.states import OUTPUT_STATES
from batchrun.errors import InputError, StorageError, UnreadableInputError
from batchrun.job import Job, build_job
from batchrun.option_types import folder_of

log = logging.getLogger("batchrun")


def reopen_input(job: Job) -> Table:
    """The input of a job that has begun.

    If it cannot be read, or the rows processed so far have changed, its columns as far as the result files have them.
    """
    pinned = read_pinned(directory_of(job).checkpoint)
    if pinned is None:
        raise InputError(f"{job.folder}: its job has not begun yet")
    return _reopened(job, pinned)


def _reopened(job: Job, pinned: PinnedJob) -> Table:
    try:
        inspection = inspect_input(job, open_input(job), pinned)
        if inspection.prefix_matches is not False:
            return swept(job, inspection.table)
        problem = f"{job.input}: is no longer the input that the job in {job.folder} has worked on"
    except (InputError, StorageError) as error:
        problem = str(error)
    return without_input(job, pinned, problem)


def without_input(job: Job, pinned: PinnedJob, problem: str) -> Table:
    """The input columns of a job whose input has this problem, as far as the result files have them."""
    what = problem.partition("\n")[0].rstrip(".")
    log.warning("%s; its columns are taken from the previous results where those have the row", what)
    return previous_results(job.input, pinned.stamp, job.folder, pinned.input_columns, job.key)


def export(
    folder: Path | str,
    to: Path | str | None = None,
    *,
    select: Mapping[str, str] | None = None,
    flatten: bool | None = None,
) -> None:
    """Write `outputs.parquet` and `errors.parquet` of the job in `folder`, there or to the folder `to`.

    Also works while the job runs; the files then hold the rows that are finished so far. If the input is gone, its
    columns are those of the previous files, or null. `select` (name → JMESPath expression) and `flatten` default to the
    job's own. Raises `InputError` if there is no job, a selection is invalid, or a file would be replaced by one that
    holds less, and `StorageError` if a file cannot be written.

        batchrun.export("rows-run", to="snapshot")
    """
    options = {"select": select, "flatten": flatten}
    overrides = {name: value for name, value in options.items() if value is not None}
    job = build_job(load_job(folder_of(folder)).model_dump() | overrides)
    table = reopen_input(job)
    selections = selections_of(job, table)
    target = None if to is None else folder_of(to, "--to")
    if target is not None:
        if (target / JOB).exists() and real_path(target) != real_path(job.folder):
            raise InputError(f"--to {target}: is the run directory of another job; choose a new directory")
        try:
            target.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise InputError(f"--to {target}: exists and is not a directory") from None
        except OSError as error:
            raise InputError(f"--to {target}: cannot be made: {error.strerror}") from None
        refuse_special(target / name for name in RESULTS)
    write_files(job, table, selections, target)


def write_files(
    job: Job, table: Table, selections: Selections, to: Path | None = None, *, opened: sqlite3.Connection | None = None
) -> None:
    """Write both files from the checkpoint, in input order. Each replaces the old file atomically.

    If the input turns out to be unreadable, it is opened anew (a Parquet file may have been written again with more
    rows); else its columns are taken from the files that are replaced. `opened`: the checkpoint, if it is open already.
    """
    reading = connection.open_reader(directory_of(job).checkpoint) if opened is None else nullcontext(opened)
    # The outputs are read twice, first to determine the column types. Rows that a running job adds in between might not
    # fit these types, so both reads use one snapshot.
    with reading as db, connection.read_snapshot(db):
        _refuse_poorer(db, job, table, to)
        columns = selections.agree(results_reader.outputs(db))
        # The column with the source of reused rows is there even if no row was reused.
        reuse, details = job.reuse is not None or reader.reused(db) > 0, job.dialect.tells_details

        def write(source: Table) -> None:
            rows = results_reader.result_rows(db, details=details)
            write_results(
                source, rows, to or job.folder, job.key, columns, reuse=reuse, details=details, sweep=job.sweep
            )

        try:
            write(table)
        except (InputError, UnreadableInputError) as error:
            # The input was checked before, so it has changed since.
            pinned = decode_pinned(reader.meta(db))
            if isinstance(table, PreviousResults) or pinned is None:
                raise StorageError(str(error)) from None
            source = _reopened(job, pinned)
            _refuse_poorer(db, job, source, to)
            try:
                write(source)
            except InputError as again:
                raise StorageError(str(again)) from None


def _refuse_poorer(db: sqlite3.Connection, job: Job, table: Table, to: Path | None) -> None:
    """Raise `InputError` if a file would be replaced by one that has fewer rows, or less of the input."""
    folder = to or job.folder
    try:
        before = pq.read_metadata(folder / OUTPUTS).num_rows
    except (OSError, pa.ArrowException):
        return
    rows = reader.count(db, OUTPUT_STATES)
    if to is None and before > rows:
        raise InputError(
            f"{folder / OUTPUTS}: has {before:,} rows, but the checkpoint has only {rows:,} results; it is left as it "
            "was.\nWrite what the checkpoint has to another directory with export --to"
        )
    if to is not None and isinstance(table, PreviousResults):
        raise InputError(
            f"{folder / OUTPUTS}: may have input columns that are not known any more; it is left as it was.\n"
            "Choose another directory with --to"
        )


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
