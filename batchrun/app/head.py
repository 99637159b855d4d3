"""The first rows of the results, from the checkpoint: current also while the job runs, and no file is written."""

from pathlib import Path

import pyarrow as pa

from batchrun.adapters.checkpoint import connection, reader, results_reader
from batchrun.adapters.results.writer import results_table
from batchrun.app.export import recorded_table
from batchrun.app.input_checks import selections_of
from batchrun.app.pinned_job import recorded_job
from batchrun.app.run_directory import directory_of
from batchrun.domain.states import ERROR_STATES, OUTPUT_STATES
from batchrun.errors import InputError, StorageError


def head(folder: Path | str, n: int = 10, errors: bool = False) -> pa.Table:
    """The first `n` completed rows of the job in `folder` in input order, with the columns of `outputs.parquet`.

    With `errors` those of `errors.parquet`: rows that failed, timed out, or are in doubt. Works while the job runs.
    Columns taken out of the outputs (`select`, `flatten`) are those that these rows alone would have.
    Raises `InputError` where there is no job, or where its input cannot be read or is no longer what it was,
    `StorageError` where the checkpoint cannot be read, or the input changes meanwhile.

        print(batchrun.head("rows-run", 3).to_pylist())
    """
    if n < 1:
        raise InputError(f"head: expected a number of rows above 0 (got {n})")
    job = recorded_job(Path(folder))
    table = recorded_table(job)
    states = ERROR_STATES if errors else OUTPUT_STATES
    with connection.open_reader(directory_of(job).checkpoint) as db:
        found = list(results_reader.result_rows(db, states, n))
        reuse = job.reuse is not None or reader.reused(db) > 0
    columns = selections_of(job, table).agree(ended.output for ended in found)
    try:
        return results_table(table, found, job.key, columns, errors=errors, reuse=reuse)
    except InputError as error:
        # The input was good when the job began: it has changed under our hands.
        raise StorageError(str(error)) from None
