"""The verdicts of a judge: a job whose input are the outputs of another job."""

from collections.abc import Iterator
from pathlib import Path

from batchrun.adapters.checkpoint import connection, results_reader
from batchrun.adapters.results.writer import pieces
from batchrun.app.export import reopen_input
from batchrun.app.pinned_job import load_job
from batchrun.app.run_directory import directory_of
from batchrun.domain.filenames import OUTPUTS
from batchrun.domain.states import OUTPUT_STATES
from batchrun.errors import InputError

ROW, RUN_ID = "row", "run_id"


def verdicts_of(folder: Path) -> Iterator[tuple[int, tuple[str | None, str | None]]]:
    """For each row that was judged: its number, the run that was judged, and the output of the judge, ascending.

    Raises `InputError` if the job in `folder` does not judge another job.
    """
    job = load_job(folder)
    table = reopen_input(job)
    if not job.sweep.is_plain:
        raise InputError(f"--judge {folder}: is a sweep, and one verdict a row is needed")
    if not {ROW, RUN_ID} <= set(table.columns):
        raise InputError(
            f"--judge {folder}: its input is not the {OUTPUTS} of a job with one of its columns in --param.\n"
            f"Start the judge with: batchrun run DIR/{OUTPUTS} --param answer=output …"
        )
    with connection.open_reader(directory_of(job).checkpoint) as db, connection.read_snapshot(db):
        last = -1
        for batch, piece in pieces(table, results_reader.result_rows(db, OUTPUT_STATES)):
            values = batch.values([ROW, RUN_ID])
            for record in piece:
                row, run_id = values[record.row - batch.start]
                if not isinstance(row, int) or row <= last:
                    raise InputError(f"--judge {folder}: row {record.row}: its input is not in the order of a result")
                last = row
                yield row, (None if run_id is None else str(run_id), record.output)
