"""One command's work on a job, from the prepared directory to the summary."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.journal import open_journal
from batchrun.adapters.earlier_job import ReuseKeys
from batchrun.adapters.row_lookup import RowLookup
from batchrun.adapters.row_source import TableSource
from batchrun.app.prepare import Prepared
from batchrun.app.session_end import Outcome, write_down
from batchrun.app.signals import draining
from batchrun.app.summary import JobSummary
from batchrun.app.wiring import connect_to_service, pacers_of, receive_callbacks, settings_of
from batchrun.app.worker_thread import in_thread
from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from batchrun.engine.context import Ports
from batchrun.engine.engine import Engine
from batchrun.engine.settings import EngineResult, Stop
from batchrun.engine.transitions import Latencies
from batchrun.errors import BatchrunError, ExitCode, InputError, StorageError
from batchrun.ports import Callbacks, Clock, Transport
from batchrun.views.progress import JobProgress, ProgressView

Connect = Callable[[Prepared, Clock], AbstractAsyncContextManager[Transport]]
Listen = Callable[[Prepared], AbstractAsyncContextManager[Callbacks | None]]


async def work(
    job: Prepared,
    clock: Clock,
    view: ProgressView,
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
            stop(_interrupted(number))

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
        return await in_thread(lambda: write_down(job, clock, outcome))


async def _drive(
    job: Prepared,
    clock: Clock,
    view: ProgressView,
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
            with connection.open_reader(job.directory.checkpoint) as db, contextlib.ExitStack() as opened:
                resumed = sorted(reader.rows(db, State.RUNNING, State.IN_DOUBT), key=lambda row: row.accepted_at or 0)
                total = min(job.rows, job.job.limit or job.rows)
                running = frozenset(row.row for row in resumed)
                reuse_keys = None if job.job.key is None else ReuseKeys(job.mapping, job.job.key, job.earlier)
                source = TableSource(
                    job.table,
                    job.directory.checkpoint,
                    job.mapping.columns,
                    total,
                    running,
                    again=job.again,
                    reuse_keys=reuse_keys,
                )
                opened.enter_context(contextlib.closing(source))
                submits, polls = pacers_of(job, clock.now())
                engine = Engine(
                    settings_of(job.job, job.seed),
                    job.dialect,
                    job.mapping,
                    Ports(
                        transport=transport,
                        source=source,
                        journal=journal,
                        lookup=RowLookup(db, job.table, job.mapping.columns),
                        clock=clock,
                        submit_limiter=submits,
                        poll_limiter=polls,
                        callbacks=callbacks,
                    ),
                    tally=job.checkpoint.tally(job.total),
                    counters=counters,
                    on_stopping=view.on_stopping,
                )
                latencies = engine.transitions.latencies
                stops.append(engine.stop)
                if interrupted:
                    engine.stop(_interrupted(interrupted[0]))
                progress = JobProgress(
                    engine.transitions.tally, counters, latencies, str(job.directory.folder), job.job.identity
                )
                showing = group.create_task(_show(view, progress), name="view")
                late = (row for row in reader.rows(db, State.TIMED_OUT) if not job.again(row.row))
                ending = await engine.run(resumed, late)
            showing.cancel()
        return Outcome(ending, counters, loop.time() - started, latencies)
    except (BaseExceptionGroup, StorageError) as raised:
        error = _cause(raised)
        if isinstance(error, InputError) and latencies is None:
            raise error from None  # nothing has begun
        code = error.exit_code if isinstance(error, BatchrunError) else ExitCode.BUG
        ending = EngineResult(finished=False, stop=Stop(code, str(error)))
        return Outcome(ending, counters, loop.time() - started, latencies, error)


def _interrupted(number: signal.Signals) -> Stop:
    return Stop(ExitCode.of_signal(number), f"interrupted by {number.name}")


async def _show(view: ProgressView, progress: JobProgress) -> None:
    # Whoever looked on may have gone (a closed terminal, a broken pipe); the job goes on without them.
    with contextlib.suppress(OSError):
        await view.show(progress)


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
