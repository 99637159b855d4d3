"""Rows that a program holds in memory: a DataFrame, an Arrow table or a list of dicts becomes a file beside the job."""

import msgspec

from batchrun.adapters.files.atomic import atomic_write
from batchrun.domain.filenames import JOB
from batchrun.errors import InputError
from batchrun.job import Job


def with_rows_in_file(job: Job, *, fresh: bool = False) -> Job:
    """The job with its rows in a file, from which any later command resumes it. Raises `InputError`.

    A list of dicts becomes JSONL, so that each value is sent as it is; anything else becomes Parquet. The file of a job
    that has begun is only replaced by one that has more rows, unless the job starts anew (`fresh`).
    """
    rows = job.rows_in_memory
    if rows is None:
        return job
    content = _as_jsonl(rows) if job.input.suffix == ".jsonl" else _as_parquet(rows)
    before = job.input.read_bytes() if job.input.exists() else None
    if before is not None and not fresh and (job.folder / JOB).exists() and not _continues(before, content):
        raise InputError(
            f"out: {job.folder} holds a job with other rows (rows may be appended only). Name another directory, or "
            "start anew with batchrun.run(job, fresh=True)"
        )
    if before != content:
        job.input.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(job.input, content)
    return job


def _continues(before: bytes, now: bytes) -> bool:
    """Whether the rows of `now` begin with those of `before`."""
    if not now.startswith(b"PAR1"):
        return now.startswith(before)
    import pyarrow as pa  # noqa: PLC0415 - only needed for tables in memory
    import pyarrow.parquet as pq  # noqa: PLC0415

    old, new = (pq.read_table(pa.BufferReader(content)) for content in (before, now))
    return bool(new.slice(0, old.num_rows).equals(old))


def _as_jsonl(rows: object) -> bytes:
    assert isinstance(rows, list)
    lines = []
    for number, row in enumerate(rows):
        if not isinstance(row, dict):
            raise InputError(f"input: row {number} is of type {type(row).__name__} and not a dict")
        try:
            lines.append(msgspec.json.encode(row))
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"input: row {number} cannot be sent as JSON: {error}") from None
    return b"".join(line + b"\n" for line in lines)


def _as_parquet(rows: object) -> bytes:
    import pyarrow as pa  # noqa: PLC0415 - only needed for tables in memory
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        if isinstance(rows, pa.Table):
            table = rows
        elif type(rows).__module__.partition(".")[0] == "pandas":
            table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata(None)
        else:
            table = pa.table(rows)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise InputError(f"input: a value of type {type(rows).__name__} cannot be read as a table: {error}") from None
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())
