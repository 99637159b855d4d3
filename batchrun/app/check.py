"""What a job would do, before it does anything: nothing is sent, and nothing is made."""

import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from statistics import median

from pyarrow import types
from pydantic import ValidationError

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.writer import refuse_lost_checkpoint
from batchrun.adapters.tables import Table
from batchrun.adapters.tables.storable_types import types_within
from batchrun.app.callback_setup import callback_base
from batchrun.app.input_checks import Examined, examine
from batchrun.app.job_file import with_recorded_checkpoint
from batchrun.app.pinned_job import Recorded, recorded_in
from batchrun.app.run_directory import RunDirectory, directory_of
from batchrun.dialects.base import UnsendableError
from batchrun.domain.estimate import Limits, estimate
from batchrun.domain.preview import Preview, Unsendable
from batchrun.domain.states import State
from batchrun.errors import InputError, StorageError
from batchrun.job import Job
from batchrun.simulator.options import parse_options

SHOWN = 3
"""Requests that are shown."""

MOST_UNSENDABLE = 10
"""Rows that cannot be sent that are named."""

UNKNOWN_S = (5.0, 30.0, 120.0)
"""Seconds that a run might take, where nothing tells how long it does."""


def check(job: Job, token: str | None = None, *, fresh: bool = False) -> Preview:
    """Find everything that is wrong with `job` before its first POST, and what it would do.

    `token`: in place of the one in the environment; `fresh`: as if its run directory were set aside. Sends
    nothing and makes nothing. Raises `InputError` with every mistake.
    """
    job = job if fresh else with_recorded_checkpoint(job)
    directory = directory_of(job)
    known = None if fresh else known_of(directory)
    found = examine(job, os.environ.get(job.dialect.token_variable) if token is None else token, known)
    rows = found.input.fingerprint.rows
    left = rows if job.limit is None else min(rows, job.limit)
    if known is not None:
        with connection.open_reader(directory.checkpoint) as db:
            left = reader.tally(db, reader.total(db, rows, job.limit))[State.QUEUED]
    bad, bad_rows = _unsendable(found) if _may_be_unsendable(found) else ([], 0)
    durations, whence = _durations(job, directory, known)
    limits = Limits(
        job.rps,
        job.poll_rps,
        job.total_rps,
        job.max_in_flight,
        job.poll_initial,
        job.poll_max,
        synchronous=job.synchronous,
        max_connections=job.connections,
    )
    return Preview(
        input=str(job.input),
        rows=rows,
        columns=found.input.table.columns,
        sent=found.mapping.sent,
        constants=found.mapping.constants,
        workflow_id=job.workflow_id,
        service="the simulator" if job.simulate else job.service_url,
        folder=str(directory.folder),
        began=known is not None,
        left=left,
        bodies=list(islice(_bodies(job, found), SHOWN)),
        unsendable=bad,
        unsendable_rows=bad_rows,
        run_s_known=whence,
        estimates=[estimate(max(0, left - bad_rows), run_s, limits) for run_s in durations],
    )


HOW_TO_READ = frozenset({"input", "format", "encoding", "delimiter", "type"})
"""Options without which an input cannot be read as it is meant."""

LOOKED_AT = HOW_TO_READ | {
    "workflow_id", "api", "param", "skip", "const", "key", "select", "flatten", "reuse", "out", "checkpoint_dir",
    "simulate", "token_file", "token_command", "ca_file", "schema",
}  # fmt: skip
"""Options in which mistakes show that are not seen in the options alone."""


def also_wrong(values: Mapping[str, object]) -> list[str]:
    """What else is wrong with a job some of whose options, by field name, are: so that all can be mended at once."""
    good = {"workflow_id": "-"} | {name: value for name, value in values.items() if name in LOOKED_AT}
    try:
        Job.model_validate(good)
    except ValidationError as error:
        wrong = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
        if wrong & HOW_TO_READ:
            return []
        good = {"workflow_id": "-"} | {name: value for name, value in good.items() if name not in wrong}
    try:
        check(Job.model_validate(good), fresh="workflow_id" not in values)
    except InputError as error:
        return list(error.problems)
    except (ValidationError, StorageError):
        pass  # the mistakes that are known have to be mended first
    return []


def known_of(directory: RunDirectory) -> Recorded | None:
    """What the run directory has recorded of its job; None where it holds none."""
    refuse_lost_checkpoint(directory.folder, directory.checkpoint)
    if not directory.checkpoint.exists():
        return None
    return recorded_in(directory.checkpoint)


def _bodies(job: Job, found: Examined) -> Iterator[str]:
    submit = job.dialect.submit_request
    for batch in found.input.table.batches():
        for row, values in enumerate(batch.values(found.mapping.columns), batch.start):
            # The end of an address is a secret, and made when the job begins.
            address = None if job.callback_url is None else f"{callback_base(job)}/{row}.1.…"
            try:
                inputs = found.mapping.inputs(values)
                asked = submit(job.workflow_id, inputs, synchronous=job.synchronous, callback_url=address)
                yield (asked.body or b"").decode()
            except (UnsendableError, ValueError) as error:
                yield f"cannot be sent: {error}"


def _may_be_unsendable(found: Examined) -> bool:
    """Whether a look at every row is worth it: text that is not of its type, and numbers that may not be finite."""
    columns, table = found.input.inference.columns, found.input.table
    return any(
        columns[name].type is None if name in columns else _may_hold_floats(table, name)
        for name in found.mapping.columns
    )


def _may_hold_floats(table: Table, name: str) -> bool:
    return name in table.restore.kinds or any(map(types.is_floating, types_within(table.schema.field(name).type)))


def _unsendable(found: Examined) -> tuple[list[Unsendable], int]:
    """The first rows that cannot be sent with the reason, and how many there are."""
    first, count = list[Unsendable](), 0
    for batch in found.input.table.batches():
        for row, values in enumerate(batch.values(found.mapping.columns), batch.start):
            try:
                found.mapping.inputs(values)
            except ValueError as error:
                count += 1
                if count <= MOST_UNSENDABLE:
                    first.append(Unsendable(row, str(error)))
    return first, count


def _durations(job: Job, directory: RunDirectory, known: Recorded | None) -> tuple[Sequence[float], str | None]:
    """Seconds that runs take, and how that is known."""
    if known is not None:
        with connection.open_reader(directory.checkpoint) as db:
            taken = reader.run_seconds(db)
        if taken:
            return (median(taken),), "as the runs of this job took so far"
    if job.simulate:
        draw = parse_options(job.sim).duration.seconds
        return (median(draw(0, sample) for sample in range(1001)),), "as the simulator is told"
    return UNKNOWN_S, None
