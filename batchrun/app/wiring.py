"""Connects a job to the engine: its settings, rate limiters, transport and callback receiver."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from batchrun.adapters.callback_receiver import open_receiver
from batchrun.adapters.http.transport import open_transport
from batchrun.adapters.rate_limiter import NO_LIMIT, Pacer
from batchrun.adapters.shared_limits.folder import default_folder
from batchrun.adapters.shared_limits.member import Member
from batchrun.app.callback_setup import callback_base, listen_address
from batchrun.app.prepare import PreparedJob
from batchrun.dialects.base import Dialect
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.engine.settings import InDoubt, Settings
from batchrun.job import Job
from batchrun.ports import Callbacks, Clock, Transport
from batchrun.simulator.options import parse_options
from batchrun.simulator.server import serve
from batchrun.simulator.service import Simulator
from batchrun.simulator.store import Store

log = logging.getLogger("batchrun")

LATE_START = 0.25
"""Seconds that may pass between recording the intent of a POST and sending it."""


def settings_of(job: Job, seed: int, *, was_polled: bool = False) -> Settings:
    """The engine's settings for a job. `was_polled`: a run was polled in an earlier session."""
    failures, percent = job.failures_allowed
    return Settings(
        workflow_id=job.workflow_id,
        sweep=job.sweep,
        variant_dialects=job.variant_dialects,
        seed=seed,
        total_rps=job.total_limit,
        max_in_flight=job.in_flight_limit,
        synchronous=job.synchronous,
        polls_first=job.dialect.polls_first and not (job.synchronous or was_polled),
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
        max_submissions=job.max_submissions,
        max_tokens=job.max_tokens,
    )


@dataclass(frozen=True, slots=True)
class RateLimiters:
    """The rate limiters of a job. `total`: the one that submissions and polls share, if they do."""

    submits: Pacer
    polls: Pacer
    uploads: Pacer
    total: Pacer | None

    async def keep_shared(self, name: str, clock: Clock) -> None:
        """Keep the limits together with the other jobs that share the limits `name`, until cancelled."""
        by_name = {"submissions": self.submits, "polls": self.polls, "uploads": self.uploads, "total": self.total}
        pacers = {limit: pacer for limit, pacer in by_name.items() if pacer is not None}
        await Member(name, pacers, clock, default_folder()).run()


def rate_limiters_of(job: Job, *, is_resumed: bool, lease: float = 0.0) -> RateLimiters:
    """The rate limiters of a job. With `--share-limits` they grant nothing before `keep_shared` runs.

    `is_resumed`: they first wait until the requests of the earlier session no longer count against the rate. `lease`:
    the seconds for which its workers may still send.
    """
    total, is_leased = job.total_limit, job.share_limits is not None
    if total is None and is_leased:
        total = NO_LIMIT * 10  # another job may have one
    shared = None if total is None else Pacer(total, is_leased=is_leased)
    submits, polls = (Pacer(rate, shared, is_leased=is_leased) for rate in (job.rps, job.poll_rps))
    uploads = Pacer(job.uploads_per_second, is_leased=is_leased)
    if is_resumed:
        # However long ago the wall clock says that they were sent: it may have been set forward since.
        for pacer in (submits, polls, uploads):
            pacer.pause(asyncio.get_running_loop().time() + pacer.window + LATE_START + lease)
    return RateLimiters(submits, polls, uploads, shared)


@asynccontextmanager
async def connect_to_service(prepared: PreparedJob, clock: Clock) -> AsyncIterator[Transport]:
    """The transport to the service, or to a simulator in this process. It stores the marks of the session."""
    if not prepared.options.on_workers:  # they would tell of the requests of this process, which sends none
        prepared.marks.start(prepared.options.connections)
    if not prepared.options.simulate:
        async with open_transport(
            prepared.options.service_url,
            prepared.token,
            clock,
            _text(prepared.options.ca_file),
            refuses_token=prepared.dialect.refuses_token,
            marks=prepared.marks,
        ) as transport:
            yield transport
        return
    # The simulator does not have the user's workflow, so it serves any id.
    options = replace(parse_options(prepared.options.sim), any_workflow=True)
    with Store(prepared.directory.simulator) as store:
        simulator = Simulator(clock, store, options, prepared.seed, prepared.dialect.name)
        async with (
            serve(simulator) as base_url,
            open_transport(
                base_url,
                prepared.token,
                clock,
                refuses_token=prepared.dialect.refuses_token,
                marks=prepared.marks,
            ) as transport,
        ):
            yield transport


@asynccontextmanager
async def receive_callbacks(prepared: PreparedJob) -> AsyncIterator[Callbacks | None]:
    """The receiver of the job's callbacks while the context is open; None if the job receives none."""
    listen = listen_address(prepared.options)
    if listen is None or prepared.callback_key is None:
        yield None
        return
    addresses = CallbackAddresses(callback_base(prepared.options), bytes.fromhex(prepared.callback_key))
    async with open_receiver(*listen, addresses, prepared.dialect.callback_run_id) as receiver:
        yield receiver


def usable_callbacks(dialect: Dialect, callbacks: Callbacks | None) -> Callbacks | None:
    """The callbacks, if the service has any. Warns if not: which service it is may only be known by now."""
    if callbacks is not None and not dialect.has_callbacks:
        log.warning("--callback-url has no effect: --api %s has no callbacks", dialect.name)
        return None
    return callbacks


def _text(path: object) -> str | None:
    return None if path is None else str(path)
