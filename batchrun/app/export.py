"""Writes the result files from the checkpoint, also while the job runs."""

import logging
import sqlite3
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from batchrun.adapters.checkpoint import connection, reader, results_reader, session_reader
from batchrun.adapters.files.kinds import real_path, refuse_special
from batchrun.adapters.results.previous import PreviousResults, previous_results
from batchrun.adapters.results.registry import refuse_missing_library
from batchrun.adapters.results.selections import Selections
from batchrun.adapters.results.writer import Written, write_results
from batchrun.adapters.tables import Table, stamp
from batchrun.app.exported_scores import copy_scores
from batchrun.app.input_checks import inspect_input, open_input, selections_of
from batchrun.app.pinned_job import PinnedJob, decode_pinned, load_job, read_pinned
from batchrun.app.run_directory import directory_of
from batchrun.app.swept import swept
from batchrun.domain.filenames import JOB, OUTPUTS, RESULTS
from batchrun.domain.result_formats import CSV, PARQUET, ResultFormat, result_format
from batchrun.domain.states import OUTPUT_STATES, State
from batchrun.errors import InputError, StorageError, UnreadableInputError
from batchrun.job import Job, build_job
from batchrun.options.types import folder_of

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
    format: str = PARQUET.name,  # noqa: A002 - as the option is named
    excel_safe: bool = False,
) -> tuple[Path, ...]:
    """Write `outputs.parquet` and `errors.parquet` of the job in `folder`, there or to the folder `to`.

    Also works while the job runs; the files then hold the rows that are finished so far. If the input is gone, its
    columns are those of the previous Parquet files, or null. `select` (name → JMESPath expression) and `flatten`
    default to the job's own.

    `format`: `parquet`, `csv`, `jsonl` or `xlsx` (extra `xlsx`). The files of the others are named alike
    (`outputs.csv`, `errors.csv`), beside the Parquet files, and with them a copy of `scores.parquet`, if there is one.
    `excel_safe` (csv alone) puts an apostrophe before texts that a spreadsheet would run.

    Returns the paths of the files. Raises `InputError` if there is no job, a selection or the format is invalid, or a
    file would be replaced by one that holds less, and `StorageError` if a file cannot be written.

        batchrun.export("rows-run", to="snapshot")
        batchrun.export("rows-run", format="xlsx")
    """
    form = result_format(format)
    refuse_unusable(form, excel_safe=excel_safe)
    options = {"select": select, "flatten": flatten}
    overrides = {name: value for name, value in options.items() if value is not None}
    job = build_job(load_job(folder_of(folder)).model_dump() | overrides)
    table = reopen_input(job)
    selections = selections_of(job, table)
    target = None if to is None else _made(job, folder_of(to, "--to"))
    to_folder = target or job.folder
    paths = [to_folder / form.file_name(name) for name in RESULTS]
    refuse_special(paths)
    read = {real_path(file.path) for file in table.files}
    for path in paths:
        if real_path(path) in read:
            raise InputError(f"{path}: is the input of the job and would be replaced; choose another --to")
    write_files(job, table, selections, target, form=form, excel_safe=excel_safe)
    return (*paths, *copy_scores(job, to_folder, form, excel_safe=excel_safe))


def refuse_unusable(form: ResultFormat, *, excel_safe: bool) -> None:
    """Raise `InputError` if the files cannot be written in this format."""
    refuse_missing_library(form)
    if excel_safe and form is not CSV:
        raise InputError(
            f"--excel-safe: is for --format csv alone (got {form.name}); in xlsx every text is a text anyway"
        )


def _made(job: Job, target: Path) -> Path:
    """The folder for the files, which is made if need be."""
    if (target / JOB).exists() and real_path(target) != real_path(job.folder):
        raise InputError(f"--to {target}: is the run directory of another job; choose a new directory")
    try:
        target.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise InputError(f"--to {target}: exists and is not a directory") from None
    except OSError as error:
        raise InputError(f"--to {target}: cannot be created: {error.strerror}") from None
    return target


def write_files(
    job: Job,
    table: Table,
    selections: Selections,
    to: Path | None = None,
    *,
    opened: sqlite3.Connection | None = None,
    form: ResultFormat = PARQUET,
    excel_safe: bool = False,
) -> None:
    """Write both files from the checkpoint, in input order. Each replaces the old file atomically.

    If the input turns out to be unreadable, it is opened anew (a Parquet file may have been written again with more
    rows); else its columns are taken from the files that are replaced. `opened`: the checkpoint, if it is open already.
    """
    reading = connection.open_reader(directory_of(job).checkpoint) if opened is None else nullcontext(opened)
    # The outputs are read twice, first to determine the column types. Rows that a running job adds in between might not
    # fit these types, so both reads use one snapshot.
    with reading as db, connection.read_snapshot(db):
        _refuse_poorer(db, job, table, to, form)
        columns = selections.agree(results_reader.outputs(db))
        # The column with the source of reused rows is there even if no row was reused.
        reuse, details = job.reuse is not None or reader.reused(db) > 0, job.dialect.tells_details

        tally = reader.tally(db, 0)
        expected = Written(tally[State.COMPLETED], tally.with_errors)

        def write(source: Table) -> None:
            rows = results_reader.result_rows(db, details=details)
            write_results(
                source, rows, to or job.folder, job.key, columns, reuse=reuse, details=details, sweep=job.sweep,
                form=form, excel_safe=excel_safe, expected=expected if to is None else None,
            )  # fmt: skip

        try:
            write(table)
        except (InputError, UnreadableInputError) as error:
            # The input was checked before, so it has changed since.
            pinned = decode_pinned(reader.meta(db))
            if isinstance(table, PreviousResults) or pinned is None:
                raise StorageError(str(error)) from None
            source = _reopened(job, pinned)
            _refuse_poorer(db, job, source, to, form)
            try:
                write(source)
            except InputError as again:
                raise StorageError(str(again)) from None


def _refuse_poorer(db: sqlite3.Connection, job: Job, table: Table, to: Path | None, form: ResultFormat) -> None:
    """Raise `InputError` if a file would be replaced by one that has fewer rows, or less of the input."""
    if to is not None:
        path = to / form.file_name(OUTPUTS)
        is_there = path.exists() if form is not PARQUET else _rows_in(path) is not None
        if is_there and isinstance(table, PreviousResults):
            raise InputError(
                f"{path}: may have input columns that are not known any more; it is left as it was.\n"
                "Choose another directory with --to"
            )
        return
    before, rows = _rows_in(job.folder / OUTPUTS), reader.count(db, OUTPUT_STATES)
    if before is not None and before > rows:
        raise InputError(
            f"{job.folder / OUTPUTS}: has {before:,} rows, but the checkpoint has only {rows:,} results; it is left as "
            "it was.\nWrite what the checkpoint has to another directory with export --to"
        )


def _rows_in(path: Path) -> int | None:
    """The rows of a Parquet file; None if it cannot be read."""
    try:
        return int(pq.read_metadata(path).num_rows)
    except (OSError, pa.ArrowException):
        return None


def export_state(db: sqlite3.Connection, job: Job, table: Table) -> str:
    """Identifies the contents of the files: the number of row changes, the input columns, the selections, and reuse.

    The input columns are part of it because appended rows can change their types without any row change.
    """
    changes = sum(session.changes for session in session_reader.sessions(db))
    parts = [changes, str(table.schema), table.restore, [*job.select.items()], job.flatten, job.reuse is not None]
    return msgspec.json.encode(parts, order="deterministic").decode()


def export_stamp(folder: Path, state: str) -> str | None:
    """Changes if `state` (see `export_state`) or one of the files changes. None if a file is missing."""
    try:
        stamps = [stamp(folder / name) for name in RESULTS]
    except OSError:
        return None
    return msgspec.json.encode([state, *stamps]).decode()
