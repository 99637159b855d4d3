"""Everything that can be found wrong before the first POST, all of it at once. Nothing is sent, and nothing is made."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar, TypeVarTuple, Unpack

from batchrun.adapters.credentials.token import Token, load_token
from batchrun.adapters.earlier_job import EarlierJob
from batchrun.adapters.results.selections import Selections, compile_selections
from batchrun.adapters.results.writer import names_in_use
from batchrun.adapters.tables import Inspection, Source, Table, inspect, open_table
from batchrun.app.callback_setup import listen_address
from batchrun.app.input_schema import check_rows, schema_of
from batchrun.app.option_warnings import column_warnings, option_warnings
from batchrun.app.pinned_job import Recorded, differences, pinned_facts
from batchrun.app.reuse import earlier_job
from batchrun.domain.column_mapping import ColumnMapping, map_columns
from batchrun.domain.filenames import ERRORS, JOB, OUTPUTS, RESULTS
from batchrun.domain.fingerprint import Fingerprint, Inference
from batchrun.errors import InputError
from batchrun.job import Job
from batchrun.simulator.options import parse_options

log = logging.getLogger("batchrun")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True, slots=True)
class Examined:
    """A job in which no mistake was found; the table of its input knows all columns and types."""

    input: Inspection
    mapping: ColumnMapping
    token: Token
    earlier: EarlierJob | None
    """The job that completed rows are taken over from."""
    checked: str | None
    """What stands for the check of all rows against the job's schema; None where it has none."""


@dataclass(slots=True)
class Problems:
    """Gathers mistakes, so that all of them can be mended at once."""

    found: list[str] = field(default_factory=list)

    def attempt(self, function: Callable[[Unpack[Ts]], T], *arguments: *Ts) -> T | None:
        """What the function returns; None where it raises `InputError`, which is gathered."""
        try:
            return function(*arguments)
        except InputError as error:
            self.found += [problem for problem in error.problems if problem not in self.found]
            return None

    def refuse(self) -> None:
        """Raise `InputError` if there were any."""
        if self.found:
            raise InputError(*self.found)


def examine(job: Job, token: str | None, known: Recorded | None) -> Examined:
    """Examine `job`; `known` is what its run directory has recorded of it, `token` what the environment offers.

    An input that is as it was (by its stamp) is not read again. Raises `InputError` with every mistake that there is,
    and `StorageError`.
    """
    for slip in option_warnings(job):
        log.warning(slip)
    problems = Problems()
    problems.attempt(parse_options, job.sim)
    credentials = problems.attempt(_credentials, job, token)
    problems.attempt(_refuse_own_result, job)
    problems.attempt(_refuse_what_is_no_input, job)
    if job.ca_file is not None and not job.simulate:
        from batchrun.adapters.http.sockets import tls_context  # noqa: PLC0415 - a command without HTTP starts faster

        problems.attempt(tls_context, str(job.ca_file))
    if (listen := listen_address(job)) is not None:
        from batchrun.adapters.callback_receiver import refuse_taken  # noqa: PLC0415 - likewise

        problems.attempt(refuse_taken, *listen)
    changed = [] if known is None else differences(known.pinned, pinned_facts(job))
    before = None if changed else known
    mapping, inspection = None, None
    table = problems.attempt(table_of, job)
    if table is None and job.type:  # its types may be all that is wrong, and what else there is shows without them
        table = problems.attempt(table_of, job.model_copy(update={"type": {}}))
    if table is not None:
        for slip in column_warnings(job, table):
            log.warning(slip)
        if table.columns:  # else they are known when all rows were seen
            mapping = problems.attempt(_mapping, job, table)
        inspection = problems.attempt(inspected, job, table, before)
    if inspection is not None:
        mapping = problems.attempt(_mapping, job, inspection.table)
        if before is not None and inspection.prefix_matches is False:
            changed.append(_changed(job, before.fingerprint, inspection.fingerprint))
    problems.attempt(selections_of, job, table if inspection is None else inspection.table)
    schema, checked = problems.attempt(schema_of, job), None
    if schema is not None and inspection is not None and mapping is not None and not changed:
        passed = None if known is None else known.checked
        checked = problems.attempt(check_rows, job, schema, inspection, mapping, passed)
    problems.attempt(_refuse_another_job, job, changed)
    rows = inspection.fingerprint.rows if known is not None and inspection is not None else None
    earlier = problems.attempt(earlier_job, job, rows)
    problems.refuse()
    assert credentials is not None
    assert mapping is not None
    assert inspection is not None
    return Examined(inspection, mapping, credentials, earlier, checked)


def table_of(job: Job) -> Table:
    """The input of a job as it is known without reading it all; raises `InputError` where it cannot be a table."""
    return open_table(Source(job.input, job.format, job.encoding, job.delimiter, job.type))


def selections_of(job: Job, table: Table | None) -> Selections:
    """What the job takes out of its outputs; raises `InputError` for what is no expression, and names that are taken.

    Of an input that is no table the names of the columns are not known, but the expressions are examined.
    """
    taken = names_in_use(() if table is None else table.columns, job.key)
    return compile_selections(job.select, flatten=job.flatten, taken=taken)


def _credentials(job: Job, token: str | None) -> Token:
    explicit = job.token_file is not None or job.token_command is not None
    if job.simulate and not (explicit and parse_options(job.sim).checks_tokens):
        return Token("simulated", headers=job.dialect.headers)
    return load_token(job.token_file, job.token_command, token, job.dialect)


def _refuse_own_result(job: Job) -> None:
    if job.input.resolve() in {(job.folder / name).resolve() for name in RESULTS}:
        raise InputError(
            f"{job.input}: is a result of the job in {job.folder} and would be replaced. Choose another -o"
        )


def _refuse_what_is_no_input(job: Job) -> None:
    if (job.input / JOB).is_file() and (job.input / OUTPUTS).is_file():
        raise InputError(
            f"{job.input}: is the run directory of a job; go on with: batchrun resume {job.input}\n"
            f"To use its rows as an input, name the file: {job.input / ERRORS}"
        )


def _mapping(job: Job, table: Table) -> ColumnMapping:
    problems = Problems()
    mapping = problems.attempt(map_columns, table.columns, job.param, job.skip, job.const, job.key)
    for column in () if mapping is None else mapping.columns:
        if column in table.unsendable:
            problems.found.append(
                f"column {column!r} cannot be sent: {table.unsendable[column]}. Leave it out with --skip {column}"
            )
    if job.key is not None and job.key in table.unsendable:
        problems.found.append(f"--key {job.key}: the column cannot be a key, {table.unsendable[job.key]}")
    problems.refuse()
    assert mapping is not None
    return mapping


def inspected(job: Job, table: Table, known: Recorded | None) -> Inspection:
    """The contents of the input; what is `known` of it counts as long as its stamp is the same."""
    if known is not None and known.stamp == table.stamp and not (table.needs_inference and known.inference is None):
        inference = known.inference or Inference()
        return Inspection(table.with_inference(inference), known.fingerprint, inference, True)
    return inspect(table, job.key, known.fingerprint if known else None)


def _changed(job: Job, before: Fingerprint, now: Fingerprint) -> str:
    if now.rows < before.rows:
        was = f"had {before.rows:,} rows, now it has {now.rows:,} (rows may be appended, not taken away)"
        return f"INPUT {job.input} {was}"
    return f"INPUT {job.input}: its first {before.rows:,} rows are no longer what they were (rows may be appended only)"


def _refuse_another_job(job: Job, changed: list[str]) -> None:
    if changed:
        raise InputError(
            f"{job.folder}: belongs to another job:",
            *(f"  {difference}" for difference in changed),
            "Choose another directory with -o, or set this one aside with --fresh.",
        )
