"""Whether the rows of a job are what its workflow takes: every row, before the first POST."""

import logging
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import islice

import msgspec

from batchrun.adapters.input_schema import InputSchema, load_schema
from batchrun.adapters.tables import Inspection
from batchrun.dialects.base import UnsendableError, encode
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.errors import InputError
from batchrun.job import Job

log = logging.getLogger("batchrun")

MOST_NAMED = 10
"""Rows that do not fit that are named."""


def schema_of(job: Job) -> InputSchema | None:
    """The schema that the job names; raises `InputError` where it is none."""
    return None if job.schema is None else load_schema(job.schema)


def check_rows(
    job: Job, schema: InputSchema, inspection: Inspection, mapping: ColumnMapping, checked: str | None
) -> str:
    """Check names and values of every row that is to be sent; what stands for this check, if it was passed.

    `checked`: what stands for the last one; the same is not checked again. Raises `InputError` with the names and the
    first rows that do not fit, and how many more there are.
    """
    facts = (schema.digest, inspection.fingerprint, dict(mapping.sent), dict(mapping.constants), job.limit)
    stands_for = blake2b(msgspec.json.encode(facts), digest_size=16).hexdigest()
    names = [*mapping.sent, *mapping.constants]
    if unknown := schema.unknown_names(names):
        log.warning(
            "--schema %s says nothing of %s: names must be those of the workflow's own inputs",
            job.schema,
            ", ".join(map(repr, unknown)),
        )
    if checked == stands_for:
        return stands_for
    if wrong := list(schema.wrong_names(names)):
        raise InputError(*wrong)
    first, count = list[str](), 0
    for row, values in islice(_rows(inspection, mapping), job.limit):
        try:
            body = encode(mapping.inputs(values))
        except (UnsendableError, ValueError):
            continue  # it will not be sent, and is told as what it is
        if (reason := schema.mismatch(body)) is not None:
            count += 1
            if count <= MOST_NAMED:
                first.append(f"{job.input}, row {row}: does not fit --schema {job.schema}: {reason}")
    if first:
        more = [f"… and {count - MOST_NAMED:,} more rows that do not fit"] if count > MOST_NAMED else []
        raise InputError(*first, *more)
    return stands_for


def _rows(inspection: Inspection, mapping: ColumnMapping) -> Iterator[tuple[int, Sequence[object]]]:
    for batch in inspection.table.batches():
        yield from enumerate(batch.values(mapping.columns), batch.start)
