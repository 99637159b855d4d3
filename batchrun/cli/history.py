"""`batchrun history`."""

import asyncio
import logging
import os
import sys
from typing import Any

import click
import msgspec

from batchrun.adapters.clock import WallClock
from batchrun.cli.option_sources import resolve
from batchrun.cli.options import job_options
from batchrun.cli.output import show_log
from batchrun.cli.usage_errors import JobCommand
from batchrun.errors import ExitCode
from batchrun.job import Job, build_job
from batchrun.options.service import SERVICE_OPTIONS

log = logging.getLogger("batchrun")

_PLACEHOLDER_JOB = build_job({"input": "none", "workflow_id": "-"})
"""Provides defaults for the options to reach the service. Its input and workflow are not used."""


@click.command("history", cls=JobCommand)
@click.argument("run_id", metavar="RUN_ID")
@click.option(
    "--workflow-id",
    metavar="ID",
    envvar="BATCHRUN_WORKFLOW_ID",
    help="The workflow that it ran. open and studio need it, and auto finds out the API by it [default: any].",
)
@click.option("--status", metavar="S", help="Only if this is its state: pending, running, completed, failed.")
@click.option("--limit", metavar="N", type=click.IntRange(1), help="At most N records [default: the service's, 10].")
@click.option("--offset", metavar="N", type=click.IntRange(0), help="Records to leave out [default: the service's, 0].")
@job_options(without=[field for field in Job.model_fields if field not in SERVICE_OPTIONS])
def command(
    run_id: str, workflow_id: str | None, status: str | None, limit: int | None, offset: int | None, **options: Any
) -> int:
    """Ask the service about one run, and print its JSON: as it came, or indented on a terminal.

    Ends with 0 if it was printed, 4 if the service refused or does not know the run, and 75 if it could not be
    reached or understood. What the filters mean for a single run is up to the service.
    """
    from batchrun.app.history import history  # noqa: PLC0415 - not needed for --help

    resolved = resolve(options, os.environ, _PLACEHOLDER_JOB)
    service = resolved.job
    show_log()
    for warning in resolved.warnings:
        log.warning(warning)
    query = {"workflow_id": workflow_id, "status": status, "limit": limit, "offset": offset}
    token = os.environ.get(service.dialect.token_variable)
    answer = asyncio.run(history(service, token, WallClock(), run_id, query))
    if answer.exit_code:
        click.echo(f"Error: {answer.error}", err=True)
        return answer.exit_code
    body = msgspec.json.format(answer.body, indent=2) if sys.stdout.isatty() else answer.body
    click.echo(body, nl=not body.endswith(b"\n"))
    return ExitCode.OK
