"""Compares the inputs that a job sends with those that its workflow declares."""

import logging
from dataclasses import replace

from batchrun.adapters.tables import Inspection, Table, text_columns
from batchrun.app.input_checks import inspect_input, mapping_of, open_input
from batchrun.app.input_schema import check_rows, schema_of
from batchrun.app.pinned_job import pin, record_declared_types, unpin
from batchrun.app.prepare import PreparedJob
from batchrun.app.swept import swept
from batchrun.app.worker_thread import in_thread
from batchrun.domain.column_mapping import ColumnMapping
from batchrun.domain.input_formats import format_of
from batchrun.domain.preflight import Comparison, compare_inputs
from batchrun.domain.states import State
from batchrun.domain.workflow_info import WorkflowInfo
from batchrun.engine.settings import Stop
from batchrun.errors import ExitCode, InputError
from batchrun.job import Job

log = logging.getLogger("batchrun")


async def check_workflow(
    prepared: PreparedJob, workflow: WorkflowInfo, *, records_version: bool = True
) -> tuple[PreparedJob, Stop | None]:
    """The job with the types that the workflow declares, and why nothing more is submitted, if so.

    Warnings are logged. Raises `InputError` in a job that has sent nothing yet; its directory is then given up, so that
    the next command may have other options.
    """
    if records_version:  # of several workflows, that of the first one
        _record_version(prepared, workflow)
    found = compare(prepared.options, prepared.table, prepared.mapping, workflow)
    for warning in found.warnings:
        log.warning("%s", warning)
    tally = prepared.checkpoint.tally(prepared.total)
    if not tally[State.QUEUED]:
        return prepared, None
    is_new = tally[State.QUEUED] == tally.total
    try:
        if found.errors:
            raise InputError(*mismatch(prepared.options, workflow, found))
        if found.types and is_new:
            prepared = await in_thread(lambda: _with_types(prepared, found))
    except InputError as error:
        if give_up_if_new(prepared):
            raise
        return prepared, Stop(ExitCode.STOPPED, str(error), collect=True)
    return prepared, None


def give_up_if_new(prepared: PreparedJob) -> bool:
    """Remove the job from its run directory if nothing was sent yet. Returns whether it was removed."""
    tally = prepared.checkpoint.tally(prepared.total)
    if tally[State.QUEUED] < tally.total:
        return False
    unpin(prepared.checkpoint, prepared.directory)
    return True


def compare(job: Job, table: Table, mapping: ColumnMapping, workflow: WorkflowInfo) -> Comparison:
    """Compare the declared inputs with those that are sent. Empty if the service does not report its inputs."""
    if workflow.inputs is None:
        return Comparison()
    known = format_of(job.input, job.format)
    untyped = () if known is not None and known.is_typed else set(text_columns(table)) - job.type.keys()
    renaming = "--param" if job.param else "--rename"
    return compare_inputs(workflow.inputs, mapping.sent, mapping.constants, untyped, renaming=renaming)


def mismatch(job: Job, workflow: WorkflowInfo, found: Comparison) -> tuple[str, ...]:
    """The errors of a comparison, under a line that names the workflow."""
    name = f" ({workflow.name})" if workflow.name else ""
    return (f"the inputs do not fit workflow {workflow.workflow_id or job.workflow_id}{name}:", *found.errors)


def describe_types(found: Comparison) -> str:
    """Which columns of text are read as which type."""
    types = ", ".join(f"--type {column}={kind}" for column, kind in found.types.items())
    return f"the workflow declares numbers or booleans where the input holds text; reading it with {types}"


def with_types(job: Job, found: Comparison) -> tuple[Job, Inspection, ColumnMapping]:
    """The job with the types that were found, and its input read with them. Raises `InputError`."""
    job = job.model_copy(update={"type": {**found.types, **job.type}})
    inspection = inspect_input(job, open_input(job), None)
    for column, kind in found.types.items():
        if inspection.inference.columns[column].type is None:
            log.warning("column %r: some cells are no %s; their rows will fail, see batchrun check", column, kind)
    return job, inspection, mapping_of(job, inspection.table)


def _with_types(prepared: PreparedJob, found: Comparison) -> PreparedJob:
    """The job with the types of its columns of text. Nothing was sent yet, so its input is read anew."""
    log.warning("%s", describe_types(found))
    checkpoint = prepared.checkpoint
    job, inspection, mapping = with_types(prepared.options, found)
    schema = schema_of(job)
    schema_check = None if schema is None else check_rows(job, schema, inspection, mapping, None)
    record_declared_types(checkpoint, found.types)
    pin(checkpoint, job, inspection, prepared.seed, schema_check=schema_check, callback_key=prepared.callback_key)
    return replace(prepared, options=job, table=swept(job, inspection.table), mapping=mapping)


def _record_version(prepared: PreparedJob, workflow: WorkflowInfo) -> None:
    """Record the version of the workflow that this session meets, and say if the last one met another."""
    version = prepared.options.workflow_version or workflow.version
    if version is None:
        return
    before = prepared.checkpoint.record_workflow_version(version)
    if before not in {None, version}:
        log.warning("the workflow has changed since the last session: it was version %s, now it is %s", before, version)
