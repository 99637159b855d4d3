"""One session of work, as `run`, `resume` and `retry` show it."""

import asyncio
import logging
import os

import click
import msgspec
from rich.console import Console

from batchrun.adapters.clock import WallClock
from batchrun.adapters.files import allow_many_connections
from batchrun.app.prepare import prepared
from batchrun.app.retry import Retry
from batchrun.app.run import work
from batchrun.app.signals import interruptible
from batchrun.cli.layers import Command
from batchrun.cli.output import nobody_may_listen
from batchrun.domain.summary import Summary
from batchrun.views.bar import BarView
from batchrun.views.closing import next_command, show_summary
from batchrun.views.live import LogView, NoView, View
from batchrun.views.logs import set_up_logs
from batchrun.views.terminal import Terminal

log = logging.getLogger("batchrun")


def perform(command: Command, *, keep_options: bool = True, retry: Retry | None = None) -> int:
    """Work on the job, show how it goes and what came of it; the exit code."""
    job, manner = command.job, command.manner
    console = Terminal(stderr=True)
    set_up_logs(console, quiet=manner.quiet, verbose=manner.verbose)
    for warning in command.warnings:
        log.warning(warning)
    clock = WallClock()
    allow_many_connections()
    token = os.environ.get("COZE_API_TOKEN")
    preparing = prepared(job, token, clock, fresh=manner.fresh, keep_options=keep_options, retry=retry)
    with interruptible(), preparing as ready:
        view = _view(manner.progress, console, quiet=manner.quiet)
        summary = asyncio.run(work(ready, clock, view))
    with nobody_may_listen():
        _close(summary, as_json=manner.as_json, quiet=manner.quiet)
    return 1 if summary.exit_code is None else summary.exit_code


def _view(progress: str, console: Console, *, quiet: bool) -> View:
    if progress == "none" or (quiet and progress == "auto"):
        return NoView()
    if progress == "bar" or (progress == "auto" and console.is_terminal):
        return BarView(console)
    return LogView()


def _close(summary: Summary, *, as_json: bool, quiet: bool) -> None:
    stopped = summary.exit_code not in {0, 3}
    if as_json:
        click.echo(msgspec.json.encode(summary.as_dict()).decode())
    elif not quiet:
        show_summary(summary, advice=not stopped)
    if stopped:
        click.echo(f"Stopped: {summary.reason}", err=True)
        click.echo(f"Go on with: {next_command(summary)}", err=True)
