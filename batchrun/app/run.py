"""One command's work on a job, from the prepared directory to the summary."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace

import msgspec

from batchrun.adapters import checkpoint_reader as reader
from batchrun.adapters.files import atomic_write
from batchrun.adapters.http import open_transport
from batchrun.adapters.journal import open_journal
from batchrun.adapters.limiter import Pacer
from batchrun.adapters.lookup import RowLookup
from batchrun.adapters.reuse import Marker
from batchrun.adapters.source import TableSource
from batchrun.app.callbacks import receive_callbacks
from batchrun.app.examine import selections_of
from batchrun.app.export import mark_of, state_of, write_files
from batchrun.app.prepare import Prepared
from batchrun.app.signals import draining
from batchrun.app.status import summarize
from batchrun.app.summary import JobSummary
from batchrun.app.threads import in_thread
from batchrun.domain.counters import Counters
from batchrun.domain.sample import Sample
from batchrun.domain.states import State
from batchrun.domain.summary import Quantiles
from batchrun.engine.board import Latencies
from batchrun.engine.engine import Engine
from batchrun.engine.settings import Ending, InDoubt, Settings, Stop
from batchrun.errors import BatchrunError, InputError, StorageError
from batchrun.job import Job
from batchrun.ports import Callbacks, Clock, Transport
from batchrun.simulator.options import parse_options
from batchrun.simulator.server import serve
from batchrun.simulator.service import Simulator
from batchrun.simulator.store import Store
from batchrun.views.live import Live, View

log = logging.getLogger("batchrun")

LATE_START = 0.25
"""Seconds by which a POST may have left later than its intent was recorded."""

Connect = Callable[[Prepared, Clock], AbstractAsyncContextManager[Transport]]
Listen = Callable[[Prepared], AbstractAsyncContextManager[Callbacks | None]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the work ended, before it is written down."""

    ending: Ending
    counters: Counters
    elapsed_s: float
    latencies: Latencies | None = None
    failure: BaseException | None = None


async def work(
    job: Prepared,
    clock: Clock,
    view: View,
    *,
    signals: bool = True,
    connect: Connect | None = None,
    listen: Listen | None = None,
) -> JobSummary:
    """Work on a prepared job until it ends or stops; write its files; its figures.

    Whatever happens to the service, the network or the disk is told by the summary's `exit_code` and `reason`.
    Raises only what is a bug, when everything is written down.
    """
    interrupted: list[signal.Signals] = []
    stops: list[Callable[[Stop], None]] = []

    def interrupt(number: signal.Signals) -> None:
        interrupted.append(number)
        for stop in stops:
            stop(Stop(128 + number, f"interrupted by {number.name}"))

    with draining(interrupt) if signals else contextlib.nullcontext():
        outcome = await _drive(
            job,
            clock,
            view,
            connect or connect_to_service,
            listen or receive_callbacks,
            stops=stops,
            interrupted=interrupted,
        )
        try:
            return await in_thread(lambda: _write_down(job, clock, outcome))
        except InputError as error:
            # It was all there when the job began.
            raise StorageError(str(error)) from None


async def _drive(
    job: Prepared,
    clock: Clock,
    view: View,
    connect: Connect,
    listen: Listen,
    *,
    stops: list[Callable[[Stop], None]],
    interrupted: list[signal.Signals],
) -> Outcome:
    loop = asyncio.get_running_loop()
    started = loop.time()
    counters = Counters()
    latencies: Latencies | None = None
    try:
        async with (
            listen(job) as callbacks,
            connect(job, clock) as transport,
            open_journal(job.checkpoint, counters, clock) as journal,
            asyncio.TaskGroup() as group,
        ):
            with reader.open_reader(job.directory.checkpoint) as db, contextlib.ExitStack() as opened:
                resumed = sorted(reader.rows(db, State.RUNNING, State.IN_DOUBT), key=lambda row: row.accepted_at or 0)
                total = min(job.rows, job.job.limit or job.rows)
                running = frozenset(row.row for row in resumed)
                marker = None if job.job.key is None else Marker(job.mapping, job.job.key, job.earlier)
                source = TableSource(
                    job.table,
                    job.directory.checkpoint,
                    job.mapping.columns,
                    total,
                    running,
                    again=job.again,
                    marker=marker,
                )
                opened.enter_context(contextlib.closing(source))
                submits, polls = _pacers(job, clock.now())
                engine = Engine(
                    settings=settings_of(job.job, job.seed),
                    dialect=job.dialect,
                    mapping=job.mapping,
                    transport=transport,
                    source=source,
                    journal=journal,
                    submit_pacer=submits,
                    poll_pacer=polls,
                    clock=clock,
                    tally=job.checkpoint.tally(job.total),
                    counters=counters,
                    on_stopping=view.stopping,
                    lookup=RowLookup(db, job.table, job.mapping.columns),
                    callbacks=callbacks,
                )
                latencies = engine.board.latencies
                stops.append(engine.stop)
                if interrupted:
                    engine.stop(Stop(128 + interrupted[0], f"interrupted by {interrupted[0].name}"))
                live = Live(engine.board.tally, counters, latencies, str(job.directory.folder), job.job.identity)
                showing = group.create_task(_show(view, live), name="view")
                late = (row for row in reader.rows(db, State.TIMED_OUT) if not job.again(row.row))
                ending = await engine.run(resumed, late)
            showing.cancel()
        return Outcome(ending, counters, loop.time() - started, latencies)
    except (BaseExceptionGroup, StorageError) as raised:
        error = _cause(raised)
        if isinstance(error, InputError) and latencies is None:
            raise error from None  # nothing has begun
        code = error.exit_code if isinstance(error, BatchrunError) else 1
        ending = Ending(finished=False, stop=Stop(code, str(error)))
        return Outcome(ending, counters, loop.time() - started, latencies, error)


async def _show(view: View, live: Live) -> None:
    # Whoever looked on may have gone (a closed terminal, a broken pipe); the job goes on without them.
    with contextlib.suppress(OSError):
        await view.show(live)


def _cause(raised: BaseException) -> BaseException:
    """The error itself, or the first one of a group; one of the disk's counts less than a bug."""
    errors: list[BaseException] = []
    todo: list[BaseException] = [raised]
    while todo:
        error = todo.pop()
        if isinstance(error, BaseExceptionGroup):
            todo += error.exceptions
        else:
            errors.append(error)
    bugs = [error for error in errors if not isinstance(error, StorageError)]
    return (bugs or errors)[0]


def _write_down(job: Prepared, clock: Clock, outcome: Outcome) -> JobSummary:
    """The Parquet files, the session's end, the summary: in this order, so that the summary tells of all."""
    directory, checkpoint = job.directory, job.checkpoint
    failure = outcome.failure
    try:
        with reader.open_reader(directory.checkpoint) as db:
            state = state_of(db, job.job, job.table)
        mark = mark_of(directory.folder, state)
        if mark is None or mark != checkpoint.meta().get("exported"):
            selections, reuse = selections_of(job.job, job.table), job.job.reuse is not None
            write_files(directory, job.table, job.job.key, selections, reuse=reuse)
            checkpoint.set_meta(exported=mark_of(directory.folder, state) or "")
    except StorageError as error:
        failure = failure or error
    code, _ = _exit(outcome.ending, failure, errors=checkpoint.tally(job.total).with_errors > 0)
    try:
        checkpoint.end_session(clock.now(), code, outcome.counters, outcome.elapsed_s)
    except StorageError as error:
        failure = failure or error
    summary = _summary(job, clock, outcome, failure)
    try:
        atomic_write(directory.summary, msgspec.json.format(msgspec.json.encode(summary.as_dict()), indent=2) + b"\n")
    except StorageError as error:
        failure = failure or error
        summary = _summary(job, clock, outcome, failure)
    if failure is not None and not isinstance(failure, StorageError):
        raise failure
    return summary


def _summary(job: Prepared, clock: Clock, outcome: Outcome, failure: BaseException | None) -> JobSummary:
    with reader.open_reader(job.directory.checkpoint) as db:
        summary = summarize(
            db,
            job.job,
            job.directory,
            job.rows,
            clock.now(),
            run_s=_quantiles(outcome.latencies.run if outcome.latencies else None),
            submit_s=_quantiles(outcome.latencies.submit if outcome.latencies else None),
        )
    wrong = summary.failed + summary.timed_out + summary.in_doubt
    code, reason = _exit(outcome.ending, failure, errors=wrong > 0)
    return replace(summary, exit_code=code, reason=reason, session=replace(summary.session, exit_code=code))


def _exit(ending: Ending, failure: BaseException | None, *, errors: bool) -> tuple[int, str | None]:
    """The exit code, and why the job stopped before its end."""
    if failure is not None:
        return (failure.exit_code if isinstance(failure, StorageError) else 1), str(failure)
    stop = ending.stop
    if stop is not None and (stop.collect or not ending.finished):
        return stop.exit_code, stop.reason
    return (3 if errors else 0), None


def _quantiles(sample: Sample | None) -> Quantiles | None:
    if sample is None or (median := sample.quantile(0.5)) is None or (p95 := sample.quantile(0.95)) is None:
        return None
    return Quantiles(len(sample), round(median, 3), round(p95, 3))


def settings_of(job: Job, seed: int) -> Settings:
    """The part of a job that the engine obeys."""
    failures, percent = job.failures_allowed
    return Settings(
        workflow_id=job.workflow_id,
        seed=seed,
        max_in_flight=job.max_in_flight,
        synchronous=job.synchronous,
        max_connections=job.connections,
        poll_initial=job.poll_initial,
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


def _pacers(job: Prepared, now: int) -> tuple[Pacer, Pacer]:
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
    base_url = job.job.base_url or job.dialect.default_base_url
    if not job.job.simulate:
        async with open_transport(base_url, job.token, clock, _text(job.job.ca_file)) as transport:
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


def _text(path: object) -> str | None:
    return None if path is None else str(path)
