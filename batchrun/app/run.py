"""Runs one session of a prepared job, from the connection to the service to the summary."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from batchrun.adapters.checkpoint import connection, reader
from batchrun.adapters.checkpoint.damage import storage_error
from batchrun.adapters.checkpoint.journal import open_journal
from batchrun.app.dialect_choice import StopFunctions, settle_dialect
from batchrun.app.measures import keep_measures, record_measures
from batchrun.app.prepare import PreparedJob
from batchrun.app.session_end import SessionOutcome, finish_session
from batchrun.app.session_engine import Surroundings, open_engine
from batchrun.app.signals import draining
from batchrun.app.summary import JobSummary
from batchrun.app.time_observer import TimeObserver
from batchrun.app.wiring import connect_to_service, receive_callbacks
from batchrun.app.worker_thread import in_thread
from batchrun.app.workers import forget_workers, note_workers
from batchrun.domain.counters import Counters
from batchrun.domain.states import State
from batchrun.engine.outlook import Outlook
from batchrun.engine.settings import EngineResult, Stop
from batchrun.errors import BatchrunError, ExitCode, InputError, StorageError, WorkersError
from batchrun.ports import Callbacks, Clock, Transport
from batchrun.views.progress import JobProgress, ProgressView

DIRECTORY_CHECKS = 0.5
"""Seconds between two looks at whether the run directory is still there. Each takes some microseconds."""

Connect = Callable[[PreparedJob, Clock], AbstractAsyncContextManager[Transport]]
Listen = Callable[[PreparedJob], AbstractAsyncContextManager[Callbacks | None]]


async def run_session(
    prepared: PreparedJob,
    clock: Clock,
    view: ProgressView,
    *,
    signals: bool = True,
    stopping: StopFunctions | None = None,
    connect: Connect | None = None,
    listen: Listen | None = None,
) -> JobSummary:
    """Run a prepared job until it ends or stops, write its files, and return its summary.

    Failures of the service, the network or the disk are reported by `exit_code` and `reason` of the summary. Any other
    error is a bug; it is raised after the files are written. `signals`: stop the job on SIGINT, SIGTERM and SIGHUP.
    `stopping`: by this the caller stops the job.
    """
    stopping = StopFunctions() if stopping is None else stopping

    def interrupt(number: signal.Signals) -> None:
        stopping.stop(Stop(ExitCode.of_signal(number), f"interrupted by {number.name}"))

    with draining(interrupt) if signals else contextlib.nullcontext():
        prepared, outcome = await _run_engine(
            prepared,
            clock,
            view,
            connect or connect_to_service,
            listen or receive_callbacks,
            stopping=stopping,
        )
        settled = prepared
        return await in_thread(lambda: finish_session(settled, clock, outcome))


async def _run_engine(
    prepared: PreparedJob,
    clock: Clock,
    view: ProgressView,
    connect: Connect,
    listen: Listen,
    *,
    stopping: StopFunctions,
) -> tuple[PreparedJob, SessionOutcome]:
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    counters = Counters()
    outlook: Outlook | None = None

    def stop_as_full() -> None:
        stopping.stop(Stop(ExitCode.STORAGE, f"{folder}: the disk is full. Make room, then resume"))

    folder = prepared.directory.checkpoint_folder
    try:
        lease = note_workers(prepared)
        async with (
            listen(prepared) as callbacks,
            connect(prepared, clock) as transport,
            open_journal(prepared.checkpoint, counters, clock, marks=prepared.marks, on_full=stop_as_full) as journal,
            asyncio.TaskGroup() as group,
        ):
            prepared, refused = await settle_dialect(prepared, transport, stopping)
            if refused is not None and not refused.collect:
                view.on_stopping(refused)
                return prepared, SessionOutcome(EngineResult(False, refused), counters, loop.time() - started_at)
            async with contextlib.AsyncExitStack() as opened:
                db = opened.enter_context(connection.open_reader(prepared.directory.checkpoint))
                resumed = sorted(reader.rows(db, State.RUNNING, State.IN_DOUBT), key=lambda row: row.accepted_at or 0)
                surroundings = Surroundings(transport, journal, callbacks, clock, counters, lease)
                running = frozenset(row.row for row in resumed)
                engine, keep_shared = await open_engine(
                    prepared, surroundings, db, running, opened, on_stopping=view.on_stopping
                )
                outlook = engine.outlook
                if refused is not None:
                    engine.stop(refused)
                stopping.add(engine.stop)
                shown = str(prepared.directory.folder), prepared.options.identity
                progress = JobProgress(engine.transitions, counters, outlook, *shown)
                observer = TimeObserver(engine, counters, clock.now())
                beside = [
                    group.create_task(keep_measures(outlook, counters), name="measures"),
                    group.create_task(_show(view, progress), name="view"),
                    group.create_task(observer.run(), name="time series"),
                    group.create_task(_watch_directory(prepared, engine.stop), name="directory"),
                ]
                if keep_shared is not None:
                    beside.append(group.create_task(keep_shared(), name="shared limits"))
                others_too = prepared.retry is None or prepared.retry.is_of_all
                timed_out_rows = reader.rows(db, State.TIMED_OUT) if others_too else ()
                timed_out = (row for row in timed_out_rows if not prepared.is_retried(row))
                result = await engine.run(resumed, timed_out)
                measures = record_measures(outlook, counters)
                observer.observe()
            for task in beside:
                task.cancel()
        forget_workers(prepared)
        return prepared, SessionOutcome(result, counters, loop.time() - started_at, measures)
    except (BaseExceptionGroup, StorageError) as raised:
        error = _cause(raised, prepared.directory.checkpoint)
        if isinstance(error, InputError) and outlook is None:
            raise error from None  # no request was sent
        if isinstance(error, WorkersError):
            stop = Stop(error.exit_code, str(error))
            return prepared, SessionOutcome(EngineResult(False, stop), counters, loop.time() - started_at)
        code = error.exit_code if isinstance(error, BatchrunError) else ExitCode.BUG
        result = EngineResult(finished=False, stop=Stop(code, str(error)))
        measures = None if outlook is None else record_measures(outlook, counters)
        return prepared, SessionOutcome(result, counters, loop.time() - started_at, measures, error)


async def _show(view: ProgressView, progress: JobProgress) -> None:
    # The job continues if the terminal or the pipe is closed.
    with contextlib.suppress(OSError):
        await view.show(progress)


async def _watch_directory(prepared: PreparedJob, stop: Callable[[Stop], None]) -> None:
    """Stop the job if its directory is no longer at its path: its records would be lost, or be another job's."""
    loop, directory, guard = asyncio.get_running_loop(), prepared.directory, prepared.guard
    is_local = directory.checkpoint_folder == directory.folder  # otherwise a network may delay the answer
    while True:
        await asyncio.sleep(DIRECTORY_CHECKS)
        problem = guard.problem() if is_local else await loop.run_in_executor(None, guard.problem)
        if problem is not None:
            stop(Stop(ExitCode.STORAGE, problem))
            return


def _cause(raised: BaseException, checkpoint: Path) -> BaseException:
    """The error, or the first error of a group. A bug takes precedence over a `StorageError`."""
    errors: list[BaseException] = []
    pending: list[BaseException] = [raised]
    while pending:
        error = pending.pop()
        if isinstance(error, BaseExceptionGroup):
            pending += error.exceptions
        else:
            errors.append(storage_error(error, checkpoint))
    bugs = [error for error in errors if not isinstance(error, StorageError)]
    return (bugs or errors)[0]
