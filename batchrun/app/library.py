"""The library's doors: the same jobs as on the command line, from Python."""

import asyncio
import os
import sys
from collections.abc import Callable, Collection, Coroutine
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any, Literal, TypeAlias

from batchrun.adapters.clock import WallClock
from batchrun.adapters.event_loop import run_in_loop
from batchrun.app.prepare import Prepared, prepared
from batchrun.app.resume import resumed_job
from batchrun.app.retry import Retry, retrying
from batchrun.app.run import work
from batchrun.app.summary import JobSummary
from batchrun.app.worker_thread import in_thread
from batchrun.errors import InputError
from batchrun.job import Job, build_job
from batchrun.views.console import Terminal
from batchrun.views.progress import NoView, ProgressView
from batchrun.views.progress_bar import BarView
from batchrun.views.progress_events import Progress
from batchrun.views.progress_line import LineView
from batchrun.views.progress_stream import EventView, emit_progress_to

ShowProgress: TypeAlias = bool | Callable[[Progress], object]
"""True: a bar on a terminal, elsewhere (a notebook) a line on standard error that is rewritten in place. A function is
called with a `Progress` every two seconds and once at the end, in the loop's thread; if it raises, that is logged and
it is called no more."""


async def arun(job: Job, *, fresh: bool = False, progress: ShowProgress = False) -> JobSummary:
    """Start `job`, or resume it where its directory holds it already, and wait for its end; also in a running loop.

    The token comes from `job.token_file`, `job.token_command` or the environment variable `COZE_API_TOKEN`. `fresh`
    sets an existing run directory aside first; `progress` shows how it goes (`ShowProgress`). Several jobs may run in
    one loop, each with a run directory of its own. Signals are the caller's business: cancelling the task ends the job
    like a kill (what was accepted is recorded, rows whose POST was in the air are in doubt), and the next command
    resumes it.

    Returns the summary, whose `exit_code` and `reason` tell how it ended (0 all completed, 3 some rows failed, 4 or
    75 stopped early). Raises `InputError` before anything is sent, `JobBusyError` where another process works on the
    directory, `StorageError` where it cannot be read or written.

        job = batchrun.Job(input="rows.csv", workflow_id="echo", simulate=True)
        summary = await batchrun.arun(job, progress=True)
        print(summary.completed, "of", summary.rows)
    """

    def find() -> tuple[Job, None]:
        # A copy by `model_copy` took its changes unseen.
        return build_job(job.model_dump(warnings=False)), None

    return await _work(find, fresh=fresh, keep_options=True, progress=progress)


def run(job: Job, *, fresh: bool = False, progress: ShowProgress = False) -> JobSummary:
    """`arun` for programs without a running loop; raises `InputError` where there is one.

    summary = batchrun.run(batchrun.Job(input="rows.csv", workflow_id="echo", simulate=True))
    """
    return _without_loop("run(job)", lambda: arun(job, fresh=fresh, progress=progress))


async def aresume(folder: Path | str, *, progress: ShowProgress = False, **changes: Any) -> JobSummary:
    """Resume the job in `folder` from its directory alone, and wait for its end; also in a running loop.

    `changes` are fields of `Job`, for this once: `max_in_flight=50`, `in_doubt="resubmit"`. What makes the job this
    job (input, workflow, mapping) cannot be changed. All else is as with `arun`; raises `InputError` also where there
    is no job, and for such a change.

        summary = await batchrun.aresume("rows-run", rps=5)
    """
    return await _work(
        lambda: (resumed_job(Path(folder), changes), None), fresh=False, keep_options=False, progress=progress
    )


def resume(folder: Path | str, *, progress: ShowProgress = False, **changes: Any) -> JobSummary:
    """`aresume` for programs without a running loop; raises `InputError` where there is one.

    summary = batchrun.resume("rows-run", in_doubt="resubmit")
    """
    return _without_loop("resume(folder)", lambda: aresume(folder, progress=progress, **changes))


async def aretry(
    folder: Path | str,
    rows: Collection[int] | None = None,
    in_doubt: Literal["resubmit", "fail"] | None = None,
    *,
    progress: ShowProgress = False,
    **changes: Any,
) -> JobSummary:
    """Queue the failed and timed-out rows of the job in `folder` again, then go on as `aresume` does.

    `rows`: only these, by their numbers; `in_doubt`: also submit again those in doubt (and maybe pay twice), or give
    them up. A row that timed out is polled once more, and submitted again only if its run has not completed meanwhile.
    `changes` and all else are as with `aresume`; raises `InputError` also for a row that cannot be retried.

        summary = await batchrun.aretry("rows-run", rows=[3, 17])
    """

    def find() -> tuple[Job, Retry]:
        return retrying(resumed_job(Path(folder), changes), rows, in_doubt)

    return await _work(find, fresh=False, keep_options=False, progress=progress)


def retry(
    folder: Path | str,
    rows: Collection[int] | None = None,
    in_doubt: Literal["resubmit", "fail"] | None = None,
    *,
    progress: ShowProgress = False,
    **changes: Any,
) -> JobSummary:
    """`aretry` for programs without a running loop; raises `InputError` where there is one.

    summary = batchrun.retry("rows-run", retries=5)
    """
    return _without_loop("retry(folder)", lambda: aretry(folder, rows, in_doubt, progress=progress, **changes))


async def _work(
    find: Callable[[], tuple[Job, Retry | None]], *, fresh: bool, keep_options: bool, progress: ShowProgress
) -> JobSummary:
    clock = WallClock()
    view = _view(progress, clock)

    def own() -> AbstractContextManager[Prepared]:
        job, retry = find()
        token = os.environ.get(job.dialect.token_variable)
        return prepared(job, token, clock, fresh=fresh, keep_options=keep_options, retry=retry)

    with ExitStack() as held:
        ready = await in_thread(lambda: held.enter_context(own()))
        return await work(ready, clock, view, signals=False)


def _view(progress: ShowProgress, clock: WallClock) -> ProgressView:
    if callable(progress):
        return EventView(emit_progress_to(progress), clock)
    if not progress or sys.stderr is None:
        return NoView()
    console = Terminal(stderr=True)
    return BarView(console) if console.is_terminal else LineView(sys.stderr)


def _without_loop(call: str, start: Callable[[], Coroutine[Any, Any, JobSummary]]) -> JobSummary:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return run_in_loop(start())
    raise InputError(
        f"batchrun.{call} cannot wait where a loop is running, as in a notebook. Use: await batchrun.a{call}"
    )
