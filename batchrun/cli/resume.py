"""`batchrun resume`."""

import os
from typing import Any

import click

from batchrun.app.pinned_job import load_job
from batchrun.app.resume import FIXED
from batchrun.cli.option_sources import resolve
from batchrun.cli.options import job_options, shown_options
from batchrun.cli.usage_errors import JobCommand
from batchrun.option_types import folder_of


@click.command("resume", cls=JobCommand)
@click.argument("folder", metavar="DIR", type=click.Path())
@job_options(without=FIXED)
@shown_options
def command(folder: str, **options: Any) -> int:
    """Resume the job in DIR from its directory alone.

    Options override what was recorded, for this command alone; what makes the job this job (input, workflow, mapping)
    stays as it was.
    """
    from batchrun.cli.session import run_and_report  # noqa: PLC0415 - not needed for --help

    settles_doubt = options["in_doubt"] is not None
    stored_job = load_job(folder_of(folder), even_without_checkpoint=True)
    # The options of one resumption, such as --in-doubt resubmit, must not apply to later ones.
    return run_and_report(resolve(options, os.environ, stored_job), keep_options=False, accept_loss=settles_doubt)
