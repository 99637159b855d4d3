"""What of a job the engine obeys, the way to the service that it works with, and the callbacks of that service."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from batchrun.adapters.callback_receiver import open_receiver
from batchrun.adapters.http.transport import open_transport
from batchrun.adapters.rate_limiter import Pacer
from batchrun.app.callback_setup import callback_base, listen_address
from batchrun.app.prepare import Prepared
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.engine.settings import InDoubt, Settings
from batchrun.job import Job
from batchrun.ports import Callbacks, Clock, Transport
from batchrun.simulator.options import parse_options
from batchrun.simulator.server import serve
from batchrun.simulator.service import Simulator
from batchrun.simulator.store import Store

LATE_START = 0.25
"""Seconds by which a POST may have left later than its intent was recorded."""


def settings_of(job: Job, seed: int) -> Settings:
    """The part of a job that the engine obeys."""
    failures, percent = job.failures_allowed
    return Settings(
        workflow_id=job.workflow_id,
        seed=seed,
        max_in_flight=job.max_in_flight,
        synchronous=job.synchronous,
        adaptive=job.rate_control == "adaptive",
        max_connections=job.connections,
        poll_initial=job.poll_initial,
        poll_learned=job.poll_schedule == "learned",
        poll_max=job.poll_max,
        max_polls=job.max_polls,
        run_timeout=job.run_timeout,
        submit_timeout=job.submit_timeout,
        poll_timeout=job.poll_timeout,
        drain_timeout=job.drain_timeout,
        max_outage=job.max_outage,
        max_runtime=job.max_runtime,
        retries=job.retries,
        retry_failed_runs=job.retry_failed_runs,
        in_doubt=InDoubt(job.in_doubt),
        max_failures=failures,
        max_failures_percent=percent,
    )


def pacers_of(job: Prepared, now: int) -> tuple[Pacer, Pacer]:
    """The pacers of submissions and polls. After a restart they wait out the second that an earlier session began."""
    shared = Pacer(job.job.total_rps) if job.job.total_rps is not None else None
    submits, polls = Pacer(job.job.rps, shared), Pacer(job.job.poll_rps, shared)
    if job.before is not None:
        idle = max(0.0, (now - job.before.last_at) / 1000)
        killed = job.before.ended_at is None
        present = asyncio.get_running_loop().time()
        submits.pause(present + max(0.0, submits.window + LATE_START - idle))
        # A poll leaves without a record of its own: of a session that was killed nobody knows when the last one left.
        polls.pause(present + max(0.0, polls.window + LATE_START - (0.0 if killed else idle)))
    return submits, polls


@asynccontextmanager
async def connect_to_service(job: Prepared, clock: Clock) -> AsyncIterator[Transport]:
    """The transport to the service, or to a simulator within this process."""
    if not job.job.simulate:
        async with open_transport(job.job.service_url, job.token, clock, _text(job.job.ca_file)) as transport:
            yield transport
        return
    # The user's own workflow cannot be known here, so any id is served.
    options = replace(parse_options(job.job.sim), any_workflow=True)
    with Store(job.directory.simulator) as store:
        simulator = Simulator(clock, store, options, job.seed)
        async with (
            serve(simulator) as base_url,
            open_transport(base_url, job.token, clock) as transport,
        ):
            yield transport


@asynccontextmanager
async def receive_callbacks(job: Prepared) -> AsyncIterator[Callbacks | None]:
    """The receiver of the job's callbacks, for the length of the block; None where it has none."""
    listen = listen_address(job.job)
    if listen is None or job.callback_key is None:
        yield None
        return
    addresses = CallbackAddresses(callback_base(job.job), bytes.fromhex(job.callback_key))
    async with open_receiver(*listen, addresses, job.dialect.callback_run_id) as receiver:
        yield receiver


def _text(path: object) -> str | None:
    return None if path is None else str(path)
