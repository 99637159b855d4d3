"""Rows that a program holds in memory: a DataFrame, an Arrow table or a list of dicts becomes a file beside the job."""

import msgspec

from batchrun.adapters.files.atomic import atomic_write
from batchrun.errors import InputError
from batchrun.job import Job


def with_rows_in_file(job: Job) -> Job:
    """The job with its rows in a file, from which any later command resumes it. Raises `InputError`.

    A list of dicts becomes JSONL, so that each value is sent as it is; anything else becomes Parquet.
    """
    rows = job.rows_in_memory
    if rows is None:
        return job
    content = _as_jsonl(rows) if job.input.suffix == ".jsonl" else _as_parquet(rows)
    if not job.input.exists() or job.input.read_bytes() != content:
        job.input.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(job.input, content)
    return job


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
