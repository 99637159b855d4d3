"""Runs a job on workers: the driver in place of the engine."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from batchrun.adapters.http.transport import HttpTransport
from batchrun.app.callback_setup import callback_base
from batchrun.app.prepare import PreparedJob
from batchrun.cluster.driver import Driver, DriverPorts
from batchrun.cluster.ray_workers import workers_on_ray
from batchrun.cluster.worker import LEASE, WorkerJob
from batchrun.cluster.worker_process import Start
from batchrun.domain.callback_addresses import CallbackAddresses
from batchrun.domain.counters import Counters
from batchrun.engine.settings import Settings, Stop
from batchrun.ports import Transport

HAD_WORKERS = "had_workers"
"""In the checkpoint while workers may be sending."""


@asynccontextmanager
async def driver_of(
    prepared: PreparedJob,
    settings: Settings,
    ports: DriverPorts,
    transport: Transport,
    counters: Counters,
    *,
    on_stopping: Callable[[Stop], None],
) -> AsyncIterator[Driver]:
    """The driver of a job, with its workers. They end with the context.

    `transport`: the way to the service, which the workers go as well.
    """
    options = prepared.options
    assert isinstance(transport, HttpTransport)
    callbacks = None
    if ports.callbacks is not None and prepared.callback_key is not None:
        callbacks = CallbackAddresses(callback_base(options), bytes.fromhex(prepared.callback_key))
    known = Counters(known_echoes=counters.known_echoes, unhelpful_rows=counters.unhelpful_rows)
    rates = options.rps, options.poll_rps
    start = Start(
        job=WorkerJob(settings, prepared.dialect, prepared.mapping, (*rates, options.total_limit), known),
        url=transport.base_url,
        token=prepared.token,
        certificates=None if options.ca_file is None else options.ca_file.read_bytes(),
        callbacks=callbacks,
        log_level=logging.getLogger("batchrun").getEffectiveLevel(),
    )
    async with workers_on_ray(options.workers or 1, options.ray_address, start) as links:
        yield Driver(
            settings,
            ports,
            links,
            rates,
            tally=prepared.checkpoint.tally(prepared.total),
            counters=counters,
            on_stopping=on_stopping,
            is_resumed=prepared.last_session is not None,
        )


def note_workers(prepared: PreparedJob) -> float:
    """Note whether the session has workers. Call it before the journal is opened.

    Returns the seconds for which workers of an earlier session may still send, because its driver was killed.
    """
    lease = LEASE if HAD_WORKERS in prepared.checkpoint.meta() else 0.0
    if prepared.options.on_workers:
        prepared.checkpoint.set_meta(**{HAD_WORKERS: "1"})
    return lease


def forget_workers(prepared: PreparedJob) -> None:
    """The workers of the session have ended, or those of an earlier one were waited for; the journal is closed."""
    if HAD_WORKERS in prepared.checkpoint.meta():
        prepared.checkpoint.delete_meta(HAD_WORKERS)
