"""The engine of a session, or the driver of its workers, between the input, the checkpoint and the service."""

import contextlib
import sqlite3
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from batchrun.adapters.checkpoint import evidence, reader, session_reader
from batchrun.adapters.checkpoint.journal import GroupCommit
from batchrun.adapters.row_lookup import RowLookup
from batchrun.adapters.row_source import TableSource
from batchrun.app.file_checks import files_of
from batchrun.app.prepare import PreparedJob
from batchrun.app.reuse import reuse_keys_of
from batchrun.app.wiring import rate_limiters_of, settings_of, usable_callbacks
from batchrun.app.workers import driver_of
from batchrun.cluster.driver import Driver, DriverPorts
from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from batchrun.engine.context import Ports
from batchrun.engine.engine import Engine
from batchrun.engine.settings import Stop
from batchrun.ports import Callbacks, Clock, Transport


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What an engine is opened with. `lease`: the seconds for which workers of an earlier session may still send."""

    transport: Transport
    journal: GroupCommit
    callbacks: Callbacks | None
    clock: Clock
    counters: Counters
    lease: float


class OpenedEngine(NamedTuple):
    """An engine, and what must run beside it to keep its limits together with other jobs; None if it shares none."""

    engine: Engine | Driver
    keep_shared: Callable[[], Coroutine[Any, Any, None]] | None = None


_OPEN = (State.QUEUED, State.SUBMITTING, State.RUNNING, State.TIMED_OUT)
"""The states of rows for which requests may be sent."""


async def open_engine(
    prepared: PreparedJob,
    around: Surroundings,
    db: sqlite3.Connection,
    running: Collection[int],
    opened: contextlib.AsyncExitStack,
    *,
    on_stopping: Callable[[Stop], None],
) -> OpenedEngine:
    """Open the engine of a session; what belongs to it is closed with `opened`.

    `db`: the checkpoint, open for reading. `running`: rows that are tracked from the start.
    """
    options, counters, clock = prepared.options, around.counters, around.clock
    sweep = options.sweep
    files = files_of(options, clock) if prepared.mapping.files else None
    source = TableSource(
        prepared.table,
        prepared.directory.checkpoint,
        prepared.mapping.columns,
        sweep.rows(min(prepared.rows, options.limit or prepared.rows)),
        running,
        again=prepared.is_retried,
        sample=prepared.sample,
        sweep=sweep,
        reuse_keys=reuse_keys_of(
            options, prepared.mapping, prepared.earlier_jobs, str if files is None else files.digest
        ),
    )
    opened.enter_context(contextlib.closing(source))
    counters.earlier_submissions = session_reader.submissions(db)
    counters.known_echoes, counters.unhelpful_rows = reader.known_echoes(db), reader.unhelpful_rows(db)
    counters.earlier_ended, counters.earlier_failures = reader.ended_since_retry(db)
    settings = settings_of(options, prepared.seed, was_polled=evidence.was_polled(db))
    lookup = RowLookup(db, prepared.table, prepared.mapping.columns)
    callbacks = usable_callbacks(prepared.dialect, around.callbacks)
    tally = prepared.checkpoint.tally(prepared.total)
    if options.on_workers and any(tally[state] for state in _OPEN):  # else they would start for nothing
        ports = DriverPorts(source, around.journal, lookup, clock, callbacks)
        driving = driver_of(prepared, settings, ports, around.transport, counters, on_stopping=on_stopping)
        return OpenedEngine(await opened.enter_async_context(driving))
    limiters = rate_limiters_of(options, is_resumed=prepared.last_session is not None, lease=around.lease)
    shared = options.share_limits
    engine = Engine(
        settings,
        prepared.dialect,
        prepared.mapping,
        Ports(
            transport=around.transport,
            source=source,
            journal=around.journal,
            lookup=lookup,
            clock=clock,
            submit_limiter=limiters.submits,
            poll_limiter=limiters.polls,
            callbacks=callbacks,
            upload_limiter=None if files is None else limiters.uploads,
            files=files,
        ),
        tally=tally,
        counters=counters,
        on_stopping=on_stopping,
    )
    return OpenedEngine(engine, None if shared is None else partial(limiters.keep_shared, shared, clock))
