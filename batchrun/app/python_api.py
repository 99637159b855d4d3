"""The public functions of the library: run, resume and retry jobs from Python."""

import asyncio
import os
import sys
from collections.abc import Callable, Collection, Coroutine
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Literal, TypeAlias

from batchrun.adapters.clock import WallClock
from batchrun.adapters.event_loop import run_in_loop
from batchrun.app.dialect_choice import StopFunctions
from batchrun.app.export import export as export_results
from batchrun.app.head import head as head_of
from batchrun.app.prepare import PreparedJob, prepare_job
from batchrun.app.resume import resumed_job
from batchrun.app.retry import Retry, plan_retry
from batchrun.app.rows_in_memory import with_rows_in_file
from batchrun.app.run import run_session
from batchrun.app.status import status as status_of
from batchrun.app.summary import JobSummary
from batchrun.app.worker_thread import in_thread
from batchrun.engine.settings import Stop
from batchrun.errors import ExitCode, InputError
from batchrun.job import Job
from batchrun.options.names import python_names
from batchrun.options.validation import build
from batchrun.views.console import Terminal
from batchrun.views.progress import NoView, ProgressView
from batchrun.views.progress_bar import BarView
from batchrun.views.progress_events import Progress
from batchrun.views.progress_line import LineView
from batchrun.views.progress_stream import EventView, emit_progress_to

export = python_names()(export_results)
head = python_names()(head_of)
status = python_names()(status_of)

ShowProgress: TypeAlias = bool | Callable[[Progress], object]
"""True: show a bar on a terminal, in a notebook a line that is rewritten in place, and elsewhere a line every 10 s.
A function is called with a `Progress` every two seconds and once at the end, in the thread of the loop. If it raises,
the error is logged and the function is not called again."""


async def arun(job: Job, *, fresh: bool = False, progress: ShowProgress = False) -> JobSummary:
    """Start `job`, or resume it if its directory already holds it, and wait until it ends. Works in a running loop.

    The token comes from `job.token_file`, `job.token_command`, `job.oauth_config` or the environment variable
    `COZE_API_TOKEN`. `fresh` first renames an existing run directory; `progress` shows the progress (see
    `ShowProgress`). Several jobs can run in one loop, each with its own run directory. Signals are left to the caller.
    Cancelling the task drains the job, as Ctrl-C does on the command line: no new POST, and POSTs in flight are waited
    for. Cancelling it once more ends the job like a kill. The next command resumes it.

    Returns the summary, whose `exit_code` and `reason` tell how the job ended (0: all rows completed, 3: some rows
    failed, 4 or 75: stopped early). Raises `InputError` before anything is sent, `JobBusyError` if another process
    uses the directory, and `StorageError` if the directory cannot be read or written.

        job = batchrun.Job(input="rows.csv", workflow_id="echo", simulate=True)
        summary = await batchrun.arun(job, progress=True)
        print(summary.completed, "of", summary.rows)
    """

    def load() -> tuple[Job, None]:
        # `model_copy` does not validate its changes, so validate them here.
        if not isinstance(job, Job):
            raise InputError(f"expected a batchrun.Job, such as batchrun.Job(input=…), and got a {type(job).__name__}")
        if not isinstance(fresh, bool):
            raise InputError(f"fresh: expected True or False (got {fresh!r})")
        return build(Job, with_rows_in_file(job, fresh=fresh).model_dump(warnings=False), str), None

    return await _run_session(load, fresh=fresh, keep_options=True, progress=progress)


def run(job: Job, *, fresh: bool = False, progress: ShowProgress = False) -> JobSummary:
    """Like `arun`, for programs without a running loop. Raises `InputError` if there is one.

    summary = batchrun.run(batchrun.Job(input="rows.csv", workflow_id="echo", simulate=True))
    """
    return _run_without_loop("run(job)", lambda: arun(job, fresh=fresh, progress=progress))


async def aresume(folder: Path | str, *, progress: ShowProgress = False, **changes: Any) -> JobSummary:
    """Resume the job in `folder` from its directory, and wait until it ends. Works in a running loop.

    `changes` are fields of `Job` that apply to this session only: `max_in_flight=50`, `in_doubt="resubmit"`. The
    fields that identify the job (input, workflow, mapping) cannot be changed. Otherwise like `arun`; also raises
    `InputError` if there is no job, and for a change that is not allowed.

        summary = await batchrun.aresume("rows-run", rps=5)
    """
    return await _run_session(
        lambda: (resumed_job(folder, changes), None),
        fresh=False,
        keep_options=False,
        progress=progress,
        accept_loss="in_doubt" in changes,
    )


def resume(folder: Path | str, *, progress: ShowProgress = False, **changes: Any) -> JobSummary:
    """Like `aresume`, for programs without a running loop. Raises `InputError` if there is one.

    summary = batchrun.resume("rows-run", in_doubt="resubmit")
    """
    return _run_without_loop("resume(folder)", lambda: aresume(folder, progress=progress, **changes))


async def aretry(
    folder: Path | str,
    rows: Collection[int] | None = None,
    in_doubt: Literal["resubmit", "fail"] | None = None,
    *,
    kinds: Collection[str] | None = None,
    progress: ShowProgress = False,
    **changes: Any,
) -> JobSummary:
    """Queue the failed and timed-out rows of the job in `folder` again, then continue like `aresume`.

    `rows`: the numbers of the rows to retry, default all; `kinds`: only rows with these values of `error_kind`, default
    all; `in_doubt`: also submit rows in doubt again (and perhaps pay
    twice), or let them fail. A row that timed out is polled once more first, and submitted again only if its run has
    not completed. `changes` and everything else are as in `aresume`; also raises `InputError` for a row that cannot be
    retried.

        summary = await batchrun.aretry("rows-run", rows=[3, 17])
    """

    def load() -> tuple[Job, Retry]:
        return plan_retry(resumed_job(folder, changes), rows, in_doubt, kinds)

    return await _run_session(
        load, fresh=False, keep_options=False, progress=progress, accept_loss=in_doubt is not None
    )


def retry(
    folder: Path | str,
    rows: Collection[int] | None = None,
    in_doubt: Literal["resubmit", "fail"] | None = None,
    *,
    kinds: Collection[str] | None = None,
    progress: ShowProgress = False,
    **changes: Any,
) -> JobSummary:
    """Like `aretry`, for programs without a running loop. Raises `InputError` if there is one.

    summary = batchrun.retry("rows-run", retries=5)
    """
    return _run_without_loop(
        "retry(folder)", lambda: aretry(folder, rows, in_doubt, kinds=kinds, progress=progress, **changes)
    )


async def _run_session(
    load: Callable[[], tuple[Job, Retry | None]],
    *,
    fresh: bool,
    keep_options: bool,
    progress: ShowProgress,
    accept_loss: bool = False,
) -> JobSummary:
    clock = WallClock()
    view = _view_for(progress, clock)

    def prepare() -> AbstractContextManager[PreparedJob]:
        job, retry = load()
        token = os.environ.get(job.dialect.token_variable)
        return prepare_job(
            job, token, clock, fresh=fresh, keep_options=keep_options, retry=retry, accept_loss=accept_loss
        )

    with python_names(), ExitStack() as stack:
        prepared = await in_thread(lambda: stack.enter_context(prepare()))
        return await _drained_if_cancelled(prepared, clock, view)


async def _drained_if_cancelled(prepared: PreparedJob, clock: WallClock, view: ProgressView) -> JobSummary:
    """Run the session. If this task is cancelled, drain the job first; if it is cancelled again, cancel the session."""
    stopping = StopFunctions()
    try:
        async with asyncio.TaskGroup() as group:
            session = group.create_task(run_session(prepared, clock, view, signals=False, stopping=stopping))
            try:
                await asyncio.shield(session)
            except asyncio.CancelledError:
                stopping.stop(Stop(ExitCode.SIGINT, "the task was cancelled"))
                await session
                resumed = f"await batchrun.aresume({str(prepared.options.folder)!r})"
                raise asyncio.CancelledError(f"the job was stopped; to continue: {resumed}") from None
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return session.result()


def _view_for(progress: ShowProgress, clock: WallClock) -> ProgressView:
    if not isinstance(progress, bool) and not callable(progress):
        raise InputError(f"progress: expected True, False or a function (got {progress!r})")
    if callable(progress):
        return EventView(emit_progress_to(progress), clock)
    if not progress or sys.stderr is None:
        return NoView()
    console = Terminal(stderr=True)
    if console.is_terminal:
        return BarView(console)
    is_notebook = type(sys.stderr).__module__.partition(".")[0] == "ipykernel"
    return LineView(sys.stderr, in_place=is_notebook)


def _run_without_loop(call: str, start: Callable[[], Coroutine[Any, Any, JobSummary]]) -> JobSummary:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_in_loop(start())
    raise InputError(
        f"batchrun.{call} cannot wait where a loop is running, as in a notebook. Use: await batchrun.a{call}"
    )
