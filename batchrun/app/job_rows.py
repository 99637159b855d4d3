"""The rows of a job: all of its input, the first ones, or a sample as its first session has drawn it."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping

from batchrun.adapters.checkpoint import reader
from batchrun.domain.sample import drawn
from batchrun.job import Job

SAMPLE = "sample"
"""The name in the checkpoint's metadata of the seed and the number of input rows by which the sample was drawn."""


def drawn_rows(meta: Mapping[str, str], job: Job) -> Collection[int] | None:
    """The input rows to which the job is limited; None: all."""
    if job.sample is None or SAMPLE not in meta:
        return None
    seed, rows = json.loads(meta[SAMPLE])
    return drawn(seed, rows, job.sample)


def count_rows(db: sqlite3.Connection, job: Job, input_rows: int) -> int:
    """The number of rows of a job that has begun, whose input has `input_rows` rows now."""
    if job.sample is None:
        return reader.total(db, job.sweep.rows(input_rows), job.row_limit)
    meta = reader.meta(db)
    return count_new_rows(job, json.loads(meta[SAMPLE])[1] if SAMPLE in meta else input_rows)


def count_new_rows(job: Job, input_rows: int) -> int:
    """The number of rows of a job that has not begun."""
    most = job.limit or job.sample
    return job.sweep.rows(input_rows if most is None else min(input_rows, most))


def rows_from(start: int, job: Job, sample: Collection[int] | None, input_rows: int) -> Iterator[int]:
    """The rows of a job from `start` on, in order. `sample`: see `drawn_rows`."""
    sweep = job.sweep
    if sample is None:
        stop = sweep.rows(input_rows)
        return iter(range(start, stop if job.row_limit is None else min(stop, job.row_limit)))
    rows = (row for one in sorted(sample) for row in range(sweep.rows(one), sweep.rows(one + 1)))
    return (row for row in rows if row >= start)


def is_in_job(job: Job, sample: Collection[int] | None) -> Callable[[int], bool]:
    """Whether a row belongs to the job, whose input may have more. `sample`: see `drawn_rows`."""
    sweep, limit = job.sweep, job.row_limit
    if sample is not None:
        return lambda row: sweep.place(row).input_row in sample
    return lambda row: limit is None or row < limit
