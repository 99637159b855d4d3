"""Finds out the dialect of a service and compares the inputs with the workflow, before the first POST of a session."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from batchrun.app.file_checks import refuse_without_uploads
from batchrun.app.pinned_job import pin_api
from batchrun.app.prepare import PreparedJob
from batchrun.app.reuse import for_api
from batchrun.app.service_probe import Probed, ProbeFailedError, probe
from batchrun.app.workflow_check import check_workflow, give_up_if_new
from batchrun.dialects import AUTO, Dialect
from batchrun.engine.settings import Stop
from batchrun.errors import ExitCode, InputError
from batchrun.ports import Transport

log = logging.getLogger("batchrun")


class StopFunctions:
    """What a signal calls to stop the job, in each phase of the job."""

    def __init__(self) -> None:
        self._functions: list[Callable[[Stop], None]] = []
        self._reasons: list[Stop] = []

    def add(self, function: Callable[[Stop], None]) -> None:
        """Call this function too. It is called at once if the job is to stop already."""
        self._functions.append(function)
        if self._reasons:
            function(self._reasons[0])

    def remove(self, function: Callable[[Stop], None]) -> None:
        """Do not call this function any more."""
        self._functions.remove(function)

    def stop(self, reason: Stop) -> None:
        """Stop the job."""
        self._reasons.append(reason)
        for function in self._functions:
            function(reason)


async def settle_dialect(
    prepared: PreparedJob, transport: Transport, stopping: StopFunctions
) -> tuple[PreparedJob, Stop | None]:
    """Return the job with the dialect that its service speaks, and the reason if nothing may be submitted.

    The dialect is pinned. `stopping` is used by signals; while this function waits, one of them ends the wait.
    Raises `InputError` if the inputs do not fit the workflow and the job has not sent anything yet.
    """
    options = prepared.options
    if options.simulate:
        return prepared, None
    meta = prepared.checkpoint.meta()
    if (reason := meta.get("foreign_api")) is not None:
        return prepared, Stop(ExitCode.STOPPED, reason, advised_options=meta.get("foreign_api_options", ""))
    dialect = None if options.api == AUTO else prepared.dialect
    first, *others = options.workflow_ids
    found = await _asked(transport, first, dialect, prepared, stopping)
    if isinstance(found, Stop):
        return prepared, found
    if options.api == AUTO:
        log.warning("the service speaks --api %s", found.api)
        pin_api(prepared.checkpoint, found.api)
        options = options.model_copy(update={"api": found.api})
        prepared = replace(prepared, options=options, dialect=options.dialect)
        try:
            refuse_without_uploads(options)
            if prepared.earlier_jobs is not None:
                prepared = replace(prepared, earlier_jobs=for_api(options, prepared.earlier_jobs))
        except InputError:
            give_up_if_new(prepared)
            raise
    if found.workflow is None:
        return prepared, None
    prepared, refused = await check_workflow(prepared, found.workflow)
    for workflow_id in others:
        if refused is not None:
            break
        found = await _asked(transport, workflow_id, prepared.dialect, prepared, stopping)
        if isinstance(found, Stop):
            return prepared, found
        if found.workflow is not None:
            prepared, refused = await check_workflow(prepared, found.workflow, records_version=False)
    return prepared, refused


async def _asked(
    transport: Transport, workflow_id: str, dialect: Dialect | None, prepared: PreparedJob, stopping: StopFunctions
) -> Probed | Stop:
    """What the service says about a workflow, or why nothing may be submitted."""
    options, stops = prepared.options, list[Stop]()
    patience = min(options.max_outage, options.max_runtime or options.max_outage)

    async def ask() -> Probed | Stop:
        try:
            return await probe(transport, workflow_id, dialect, request_timeout=options.poll_timeout, patience=patience)
        except ProbeFailedError as failure:
            # Runs of earlier sessions were paid for. Without a dialect there are none.
            collect = failure.collect and dialect is not None
            return Stop(failure.exit_code, str(failure), collect=collect, is_mistake=failure.is_mistake)

    async with asyncio.TaskGroup() as group:
        asking = group.create_task(ask(), name="probe")

        def stop(reason: Stop) -> None:
            stops.append(reason)
            asking.cancel()

        stopping.add(stop)
        await asyncio.wait({asking})
        stopping.remove(stop)
    return stops[0] if asking.cancelled() else asking.result()
