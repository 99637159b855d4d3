"""What would become of the rows of a checked job: bodies, rows that cannot be sent, and rows that are reused."""

from collections.abc import Iterator
from dataclasses import replace

from pyarrow import types

from batchrun.adapters.clock import WallClock
from batchrun.adapters.earlier_job import ReuseKeys
from batchrun.adapters.tables import Table, line_numbers
from batchrun.adapters.tables.storable_types import types_within
from batchrun.app.callback_setup import callback_base
from batchrun.app.file_checks import files_of
from batchrun.app.input_checks import CheckedJob
from batchrun.dialects.base import UnsendableError
from batchrun.domain.preview import Unsendable
from batchrun.domain.row import Row
from batchrun.job import Job
from batchrun.ports import Work

MAX_UNSENDABLE = 10
"""Largest number of unsendable rows in the preview."""


def bodies(job: Job, checked: CheckedJob) -> Iterator[str]:
    """The body of each row, or why it cannot be sent."""
    submit_request = job.dialect.submit_request
    for batch in checked.table.batches():
        for row, values in enumerate(batch.values(checked.mapping.columns), batch.start):
            # The rest of the address depends on a secret that is created when the job begins.
            address = None if job.callback_url is None else f"{callback_base(job)}/{row}.1.…"
            try:
                inputs = checked.mapping.with_files(checked.mapping.inputs(values), "(reference of {})".format)
                workflow_id = job.sweep.variant(row).workflow_id or job.workflow_id
                request = submit_request(workflow_id, inputs, synchronous=job.synchronous, callback_url=address)
                yield (request.body or b"").decode()
            except (UnsendableError, ValueError) as error:
                yield f"cannot be sent: {error}"


def unsendable_rows(job: Job, checked: CheckedJob) -> tuple[list[Unsendable], int]:
    """The first rows that cannot be sent, each with the reason, and the number of all such rows."""
    first, count = list[Unsendable](), 0
    if not _may_be_unsendable(checked):
        return first, count
    for batch in checked.table.batches():
        for row, values in enumerate(batch.values(checked.mapping.columns), batch.start):
            try:
                checked.mapping.inputs(values)
            except ValueError as error:
                count += 1
                if count <= MAX_UNSENDABLE:
                    first.append(Unsendable(row, str(error)))
    input_rows = {one.row: job.sweep.place(one.row).input_row for one in first}
    lines = line_numbers(checked.input.table, set(input_rows.values()))
    return [replace(one, line=lines.get(input_rows[one.row])) for one in first], count


def count_reusable(job: Job, checked: CheckedJob, start: int) -> int:
    """The number of rows from `start` on that the earlier job has completed."""
    assert job.key is not None
    digest = files_of(job, WallClock()).digest if checked.mapping.files else str
    keys, count = ReuseKeys(checked.mapping, job.key, checked.earlier_job, digest, job.sweep), 0
    rows_of_job = job.sweep.rows(checked.input.fingerprint.rows)
    stop = rows_of_job if job.limit is None else job.sweep.rows(job.limit)
    for batch in checked.table.batches():
        rows = enumerate(batch.values(checked.mapping.columns), batch.start)
        works = [Work(Row(row), values) for row, values in rows if start <= row < stop]
        count += sum(work.reused is not None for piece in keys.with_keys(works, batch) for work in piece)
    keys.close()
    return count


def _may_be_unsendable(checked: CheckedJob) -> bool:
    """Whether a row may be unsendable: due to text that does not fit its type, or numbers that are not finite."""
    columns, table = checked.input.inference.columns, checked.table
    return any(
        columns[name].type is None if name in columns else _may_hold_floats(table, name)
        for name in checked.mapping.columns
    )


def _may_hold_floats(table: Table, name: str) -> bool:
    return name in table.restore.kinds or any(map(types.is_floating, types_within(table.schema.field(name).type)))
