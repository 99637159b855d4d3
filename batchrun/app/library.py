"""The library's two doors: the same jobs as on the command line, from Python."""

import asyncio
import os
from typing import Any

from batchrun.adapters.clock import WallClock
from batchrun.app.prepare import prepared
from batchrun.app.run import work
from batchrun.domain.summary import Summary
from batchrun.job import Job
from batchrun.views.live import LogView, NoView


async def arun(job: Job, *, fresh: bool = False, progress: bool = False) -> Summary:
    """Start `job`, or resume it where its directory holds it already, and wait for its end; also in a running loop.

    The token comes from `job.token_file` or the environment variable `COZE_API_TOKEN`. `fresh` sets an existing run
    directory aside first; `progress` logs a line every 10 s to the logger `batchrun`. Signals are the caller's
    business: cancelling the task ends it like a kill, and the next run resumes it.

    Returns the summary, whose `exit_code` and `reason` tell how it ended (0 all completed, 3 some rows failed, 4 or
    75 stopped early). Raises `InputError` before anything is sent, `JobBusyError` where another process works on the
    directory, `StorageError` where it cannot be read or written.
    """
    clock = WallClock()
    loop = asyncio.get_running_loop()
    context = prepared(job, os.environ.get("COZE_API_TOKEN"), clock, fresh=fresh)
    ready = await loop.run_in_executor(None, context.__enter__)
    raised: tuple[Any, ...] = (None, None, None)
    try:
        return await work(ready, clock, LogView() if progress else NoView(), signals=False)
    except BaseException as error:
        raised = (type(error), error, error.__traceback__)
        raise
    finally:
        context.__exit__(*raised)


def run(job: Job, *, fresh: bool = False, progress: bool = False) -> Summary:
    """`arun` for programs without a loop."""
    return asyncio.run(arun(job, fresh=fresh, progress=progress))
