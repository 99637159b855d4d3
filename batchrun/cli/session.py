"""One session of work, as `run`, `resume` and `retry` show it."""

import logging
import os
import sys

import click
import msgspec

from batchrun.adapters.clock import WallClock
from batchrun.adapters.files import allow_many_connections
from batchrun.adapters.loop import run_in_loop
from batchrun.app.prepare import prepared
from batchrun.app.retry import Retry
from batchrun.app.run import work
from batchrun.app.signals import interruptible
from batchrun.cli.layers import Command
from batchrun.cli.manner import Manner
from batchrun.cli.output import nobody_may_listen
from batchrun.domain.summary import Summary
from batchrun.errors import ExitCode
from batchrun.views.bar import BarView
from batchrun.views.closing import next_command, show_summary
from batchrun.views.events import End, moment
from batchrun.views.live import LogView, NoView, View
from batchrun.views.logs import set_up_logs, set_up_records
from batchrun.views.records import RecordStream, RecordView, Tell
from batchrun.views.terminal import Terminal

log = logging.getLogger("batchrun")


def perform(command: Command, *, keep_options: bool = True, retry: Retry | None = None) -> int:
    """Work on the job, show how it goes and what came of it; the exit code."""
    job, manner = command.job, command.manner
    clock = WallClock()
    console, tell = set_up_log(manner)
    view = RecordView(tell, clock) if tell is not None else _view(manner, console)
    for warning in command.warnings:
        log.warning(warning)
    allow_many_connections()
    token = os.environ.get("COZE_API_TOKEN")
    preparing = prepared(job, token, clock, fresh=manner.fresh, keep_options=keep_options, retry=retry)
    with interruptible(), preparing as ready:
        summary = run_in_loop(work(ready, clock, view))
    code = ExitCode.BUG if summary.exit_code is None else summary.exit_code
    if tell is not None:
        now, advice = moment(clock.now()), next_command(summary)
        tell(End(at=now, exit_code=code, reason=summary.reason, next=advice, summary=summary.as_dict()))
    with nobody_may_listen():
        _close(summary, manner, told=tell is not None)
    return code


def set_up_log(manner: Manner) -> tuple[Terminal, Tell | None]:
    """Send the log where it is wanted: the console, and what tells records where these are wanted instead."""
    console = Terminal(stderr=True)
    if manner.progress == "json":
        tell = RecordStream(sys.stderr).tell
        set_up_records(tell, quiet=manner.quiet, verbose=manner.verbose)
        return console, tell
    asked = manner.progress == "log"
    set_up_logs(console, quiet=manner.quiet, verbose=manner.verbose, progress=asked)
    return console, None


def _view(manner: Manner, console: Terminal) -> View:
    progress = manner.progress
    if progress == "none" or (manner.quiet and progress == "auto"):
        return NoView()
    if progress == "bar" or (progress == "auto" and console.is_terminal):
        return BarView(console)
    return LogView()


def _close(summary: Summary, manner: Manner, *, told: bool) -> None:
    """The last words; `told`: those for standard error stand in a record already."""
    stopped = summary.exit_code not in {ExitCode.OK, ExitCode.ROW_ERRORS}
    if manner.as_json:
        click.echo(msgspec.json.encode(summary.as_dict()).decode())
    elif not manner.quiet:
        show_summary(summary, advice=not stopped)
    if stopped and not told:
        click.echo(f"Stopped: {summary.reason}", err=True)
        click.echo(f"Go on with: {next_command(summary)}", err=True)
