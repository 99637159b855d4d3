"""`batchrun status`."""

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click
import msgspec

from batchrun.app.signals import Interrupted, interruptible
from batchrun.errors import ExitCode

if TYPE_CHECKING:
    from batchrun.app.summary import JobSummary

REFRESH_SECONDS = 2.0
"""Seconds between two looks of `--watch`."""


@click.command("status")
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--json", "as_json", is_flag=True, envvar="BATCHRUN_JSON", help="As one JSON object.")
@click.option("--watch", is_flag=True, help="Refresh every 2 s until the job stops, or Ctrl-C.")
def command(folder: str, *, as_json: bool, watch: bool) -> int:
    """Show where the job in DIR stands: counts, requests, rate, ETA, errors by kind. Works while it runs.

    With --watch and --json: one object per line.
    """
    summaries = _summaries(folder, watch=watch)
    try:
        with interruptible():
            _show(summaries, as_json=as_json, watch=watch)
    except Interrupted:
        if not watch:
            raise
    return ExitCode.OK


def _show(summaries: "Iterator[JobSummary]", *, as_json: bool, watch: bool) -> None:
    if as_json:
        for summary in summaries:
            click.echo(msgspec.json.encode(summary.as_dict()))
        return
    from batchrun.views.closing_summary import show_summary, watch_summaries  # noqa: PLC0415

    if watch:
        watch_summaries(summaries)
    else:
        show_summary(next(summaries))


def _summaries(folder: str, *, watch: bool) -> "Iterator[JobSummary]":
    """A summary at once; with `watch`, another every `REFRESH_SECONDS` until no process runs the job."""
    from batchrun.app.status import status  # noqa: PLC0415 - not needed for --help

    never = threading.Event()
    while True:
        summary = status(folder)
        yield summary
        if not watch or summary.process is None:
            return
        never.wait(REFRESH_SECONDS)
