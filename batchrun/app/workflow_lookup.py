"""Asks the service, for a check, which API it speaks and what it knows of the workflow. Nothing is started."""

import asyncio
from dataclasses import dataclass

from batchrun.adapters.clock import WallClock
from batchrun.adapters.credentials.token import Token
from batchrun.adapters.event_loop import run_in_loop
from batchrun.adapters.http.transport import open_transport
from batchrun.app.service_probe import ProbeFailedError, probe
from batchrun.dialects import AUTO, DIALECTS
from batchrun.domain.workflow_info import WorkflowInfo
from batchrun.errors import ExitCode, InputError
from batchrun.job import Job

PATIENCE = 10.0
"""Seconds to wait for an answer that settles something. A person waits for the result of a check."""

MARGIN = 1.0
"""Further seconds, in which the probe ends by itself and says what the last answer was."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the service said; `note` says why it said nothing."""

    api: str | None = None
    workflow: WorkflowInfo | None = None
    note: str | None = None


def look_up_workflow(job: Job, token: Token, workflow_id: str) -> Found:
    """Ask for a workflow of a job, for at most `PATIENCE` seconds. Call it where no event loop runs.

    Raises `InputError` if the service refuses the token or the workflow.
    """
    return run_in_loop(_look_up(job, token, workflow_id))


async def _look_up(job: Job, token: Token, workflow_id: str) -> Found:
    dialect, refuses_token = None if job.api == AUTO else job.dialect, job.dialect.refuses_token
    ca_file = None if job.ca_file is None else str(job.ca_file)
    timeout = min(job.poll_timeout, PATIENCE)
    try:
        async with (
            asyncio.timeout(PATIENCE + MARGIN),
            open_transport(job.service_url, token, WallClock(), ca_file, refuses_token=refuses_token) as transport,
        ):
            found = await probe(transport, workflow_id, dialect, request_timeout=timeout, patience=PATIENCE)
    except TimeoutError:
        return Found(note=f"the service was asked about the workflow, and has not answered within {PATIENCE:g} s")
    except ProbeFailedError as failure:
        if failure.exit_code is ExitCode.STOPPED:
            raise InputError(str(failure)) from None
        asks = "--base-url" in str(failure)
        return Found(note=f"{failure}" if asks else f"{failure}. Is --base-url right?")
    note = None
    if job.synchronous and (limit := DIALECTS[found.api].synchronous_limit) is not None:
        note = f"--mode sync: the service drops the connection after {limit:g} s; a run that takes longer is in doubt"
    return Found(found.api, found.workflow, note)
