"""What would become of the rows of a checked job: bodies, rows that cannot be sent, and rows that are reused."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from batchrun.adapters.clock import WallClock
from batchrun.adapters.tables import Batch, line_numbers
from batchrun.adapters.tables.sendable_types import holds_map
from batchrun.adapters.tables.storable_types import types_within
from batchrun.app.callback_setup import callback_base
from batchrun.app.file_checks import files_of
from batchrun.app.input_checks import CheckedJob
from batchrun.app.reuse import reuse_keys_of
from batchrun.dialects.base import MAX_BODY, UnsendableError
from batchrun.domain.preview import Unsendable
from batchrun.domain.row import Row
from batchrun.job import Job
from batchrun.ports import Work

MAX_BODIES = 3
"""Number of request bodies in the preview."""

MAX_UNSENDABLE = 10
"""Largest number of unsendable rows in the preview."""

RowTest: TypeAlias = Callable[[int], bool]
"""Whether a row is one of those that are meant, by its number in the job."""

MAX_ESCAPE = 6
"""JSON needs at most six bytes for a byte of text: a control character becomes `\\u0000`."""


def bodies(job: Job, checked: CheckedJob, rows: Sequence[int]) -> Iterator[str]:
    """The body of each of these rows, which are in order, or why it cannot be sent."""
    if not rows:
        return
    left = set(rows)
    for batch in checked.table.batches(rows[0]):
        for row, values in enumerate(batch.values(checked.mapping.columns), batch.start):
            if row in left:
                left.discard(row)
                try:
                    yield _body(job, checked, row, values).decode()
                except (UnsendableError, ValueError) as error:
                    yield f"cannot be sent: {error}"
        if not left:
            return


def _body(job: Job, checked: CheckedJob, row: int, values: tuple[object, ...]) -> bytes:
    """The body of a row. Raises ValueError or `UnsendableError` if it cannot be sent."""
    # The rest of the address depends on a secret that is created when the job begins.
    address = None if job.callback_url is None else f"{callback_base(job)}/{row}.1.…"
    inputs = checked.mapping.with_files(checked.mapping.inputs(values), "(reference of {})".format)
    workflow_id = job.sweep.variant(row).workflow_id or job.workflow_id
    submit = job.dialect.submit_request
    return submit(workflow_id, inputs, synchronous=job.synchronous, callback_url=address).body or b""


def unsendable_rows(
    job: Job, checked: CheckedJob, is_in: RowTest, is_left: RowTest
) -> tuple[list[Unsendable], int, int]:
    """The first rows of the job that cannot be sent, each with the reason; the number of all; how many are left."""
    first, count, left = list[Unsendable](), 0, 0
    by_values = _may_be_unsendable(checked)
    large = [] if by_values else _batches_with_large_rows(job, checked)
    for batch in checked.table.batches() if by_values or large else ():
        if not by_values and not any(batch.start in rows for rows in large):
            continue
        for row, values in enumerate(batch.values(checked.mapping.columns), batch.start):
            if not is_in(row):
                continue
            try:
                _body(job, checked, row, values)
            except (UnsendableError, ValueError) as error:
                count += 1
                left += is_left(row)
                if count <= MAX_UNSENDABLE:
                    first.append(Unsendable(row, str(error)))
    input_rows = {one.row: job.sweep.place(one.row).input_row for one in first}
    lines = line_numbers(checked.input.table, set(input_rows.values()))
    return [replace(one, line=lines.get(input_rows[one.row])) for one in first], count, left


def reusable_rows(job: Job, checked: CheckedJob, is_left: RowTest) -> tuple[int, list[int]]:
    """The number of rows that are left and that earlier jobs have sent, and the first `MAX_BODIES` others."""
    digest = files_of(job, WallClock()).digest if checked.mapping.files else str
    keys, count, others = reuse_keys_of(job, checked.mapping, checked.earlier_jobs, digest), 0, list[int]()
    assert keys is not None
    for batch in checked.table.batches():
        rows = enumerate(batch.values(checked.mapping.columns), batch.start)
        works = [Work(Row(row), values) for row, values in rows if is_left(row)]
        for work in (work for piece in keys.with_keys(works, batch) for work in piece):
            if work.earlier is not None:
                count += 1
            elif len(others) < MAX_BODIES:
                others.append(work.row.row)
    keys.close()
    return count, others


def _may_be_unsendable(checked: CheckedJob) -> bool:
    """Whether a row may be unsendable: due to text that does not fit its type, numbers that are not finite, or maps."""
    columns = checked.input.inference.columns
    # Tables build these anew at each use, so one use for each of many columns would take long.
    schema, kinds = checked.table.schema, checked.table.restore.kinds
    return any(
        columns[name].type is None
        if name in columns
        else name in kinds or _holds_floats(schema.field(name).type) or holds_map(schema.field(name).type)
        for name in checked.mapping.columns
    )


def _batches_with_large_rows(job: Job, checked: CheckedJob) -> list[range]:
    """The rows of the job that belong to batches of the input in which the body of a row may be too large."""
    size = job.sweep.size
    return [
        range(batch.start * size, (batch.start + len(batch)) * size)
        for batch in checked.input.table.batches()
        if _longest_row(batch) * MAX_ESCAPE > MAX_BODY
    ]


def _longest_row(batch: Batch) -> int:
    """An upper bound of the bytes of a row: the longest texts of all columns together, and all of the other values."""
    return sum(
        pc.max(pc.binary_length(column)).as_py() or 0 if types.is_string(column.type) else column.nbytes
        for column in batch.arrow().columns
    )


def _holds_floats(data_type: pa.DataType) -> bool:
    return any(map(types.is_floating, types_within(data_type)))
