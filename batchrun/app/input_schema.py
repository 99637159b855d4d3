"""Checks every row of a job against a JSON Schema of the workflow's inputs, before the first POST."""

import logging
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice

import msgspec

from batchrun.adapters.input_schema import InputSchema, load_schema
from batchrun.adapters.tables import Inspection, Table
from batchrun.app.swept import swept
from batchrun.dialects.base import UnsendableError, encode
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.errors import InputError
from batchrun.job import Job

log = logging.getLogger("batchrun")

MAX_NAMED_ROWS = 10
"""Largest number of mismatched rows in a message."""


def schema_of(job: Job) -> InputSchema | None:
    """The schema of the job, or None. Raises `InputError` if the file is not a schema."""
    return None if job.schema is None else load_schema(job.schema)


def check_rows(
    job: Job, schema: InputSchema, inspection: Inspection, mapping: ColumnMapping, last_check: str | None
) -> str:
    """Check the names and values of every row to be sent, and return a digest of the passed check.

    `last_check`: the digest of the last passed check; an equal check is not repeated. Raises `InputError` with the
    names and the first rows that do not match, and the number of further rows.
    """
    checked_values = (schema.digest, inspection.fingerprint, dict(mapping.sent), dict(mapping.constants), job.limit)
    digest = blake2b(msgspec.json.encode(checked_values), digest_size=16).hexdigest()
    names = [*mapping.sent, *mapping.constants]
    if unknown := schema.unknown_names(names):
        log.warning(
            "--schema %s does not mention %s; are these inputs of the workflow?",
            job.schema,
            ", ".join(map(repr, unknown)),
        )
    if last_check == digest:
        return digest
    if wrong := list(schema.wrong_names(names)):
        raise InputError(*wrong)
    messages, count = list[str](), 0
    for row, values in islice(_rows(swept(job, inspection.table), mapping), job.row_limit):
        try:
            body = encode(mapping.inputs(values))
        except (UnsendableError, ValueError):
            continue  # the row will not be sent; this is reported elsewhere
        if (reason := schema.mismatch(body)) is not None:
            count += 1
            if count <= MAX_NAMED_ROWS:
                messages.append(f"{job.input}, row {row}: does not fit --schema {job.schema}: {reason}")
    if messages:
        more = [f"… and {count - MAX_NAMED_ROWS:,} more rows that do not fit"] if count > MAX_NAMED_ROWS else []
        raise InputError(*messages, *more)
    return digest


def _rows(table: Table, mapping: ColumnMapping) -> Iterator[tuple[int, Sequence[object]]]:
    for batch in table.batches():
        yield from enumerate(batch.values(mapping.columns), batch.start)
