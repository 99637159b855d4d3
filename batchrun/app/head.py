"""The first rows of the results, read from the checkpoint, also while the job runs."""

from pathlib import Path

import pyarrow as pa

from batchrun.adapters.checkpoint import connection, reader, results_reader
from batchrun.adapters.results.selections import NO_COLUMNS
from batchrun.adapters.results.writer import results_table
from batchrun.app.export import reopen_input
from batchrun.app.input_checks import selections_of
from batchrun.app.pinned_job import load_job
from batchrun.app.run_directory import directory_of
from batchrun.domain.states import ERROR_STATES, OUTPUT_STATES
from batchrun.errors import InputError, UnreadableInputError
from batchrun.options.types import folder_of, whole_number


def head(folder: Path | str, n: int = 10, errors: bool = False) -> pa.Table:
    """The first `n` completed rows of the job in `folder`, in input order, with the columns of `outputs.parquet`.

    With `errors`, the rows of `errors.parquet`: those that failed, timed out or are in doubt. Also works while the job
    runs. The columns from `select` and `flatten` are derived from these rows alone. If the input is gone, its columns
    are those of the previous files, or null. Raises `InputError` if there is no job, and `StorageError` if the
    checkpoint cannot be read or the input changes during the call.

        print(batchrun.head("rows-run", 3).to_pylist())
    """
    if (n := whole_number(n, "n")) < 1:
        raise InputError(f"n: expected a number of rows above 0 (got {n})")
    job = load_job(folder_of(folder))
    table = reopen_input(job)
    states, details = ERROR_STATES if errors else OUTPUT_STATES, job.dialect.tells_details
    with connection.open_reader(directory_of(job).checkpoint) as db:
        rows = list(results_reader.result_rows(db, states, n, details=details))
        reuse = job.reuse is not None or reader.reused(db) > 0
    selections = selections_of(job, table)
    columns = NO_COLUMNS if errors else selections.agree(row.output for row in rows)
    try:
        return results_table(
            table, rows, job.key, columns, errors=errors, reuse=reuse, details=details, sweep=job.sweep
        )
    except InputError as error:
        # The input was checked before, so it has changed while it was read.
        raise UnreadableInputError(str(error)) from None
