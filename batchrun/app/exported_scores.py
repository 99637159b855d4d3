"""Copies the scores of a job into other formats."""

import logging
from collections.abc import Sequence
from pathlib import Path

from batchrun.adapters.checkpoint import connection, session_reader
from batchrun.adapters.files.atomic import replacing
from batchrun.adapters.files.kinds import refuse_special
from batchrun.adapters.results.base import Target
from batchrun.adapters.results.registry import open_result_file
from batchrun.adapters.results.scores import scores_file
from batchrun.adapters.tables.base import BATCH_ROWS
from batchrun.app.run_directory import directory_of
from batchrun.domain.filenames import SCORES
from batchrun.domain.result_formats import PARQUET, ResultFormat
from batchrun.job import Job

log = logging.getLogger("batchrun")


def copy_scores(job: Job, to: Path, form: ResultFormat, *, excel_safe: bool = False) -> Sequence[Path]:
    """Write the scores of the job into the folder `to`, unless the format is Parquet. Returns the path of the file.

    They are those of the last `score`, or of the end of the job. None are there if nothing was scored.
    """
    if form is PARQUET:
        return ()
    with scores_file(job.folder) as found:
        if found is None:
            return ()
        file, changes = found
        with connection.open_reader(directory_of(job).checkpoint) as db:
            if changes != sum(session.changes for session in session_reader.sessions(db)):
                log.warning("%s: is older than the results; write it again with: batchrun score %s", SCORES, job.folder)
        path = to / form.file_name(SCORES)
        refuse_special([path])
        with (
            replacing(path, mode=0o666) as (written,),
            open_result_file(form, Target(path, written, file.schema_arrow, excel_safe=excel_safe)) as write,
        ):
            for batch in file.iter_batches(BATCH_ROWS, use_threads=False):
                write(batch)
    return (path,)
