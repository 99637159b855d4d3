"""`batchrun resume`."""

import os
from typing import Any

import click

from batchrun.app.resume import FIXED, job_to_resume
from batchrun.cli.examples import examples
from batchrun.cli.option_sources import resolve
from batchrun.cli.options import job_options, shown_options
from batchrun.cli.usage_errors import JobCommand


@click.command(
    "resume",
    cls=JobCommand,
    epilog=examples(
        ("continue a job, whatever ended it", "batchrun resume rows-run"),
        ("more slowly, for this session", "batchrun resume rows-run --rps 5"),
        ("submit rows in doubt again, at the risk of paying twice", "batchrun resume rows-run --in-doubt resubmit"),
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path())
@job_options(without=FIXED)
@shown_options
def command(folder: str, **options: Any) -> int:
    """Continue the job in DIR with the options that were recorded there.

    Options given here replace the recorded ones for this session only. The input, the workflow and what is sent to it
    cannot change.
    """
    from batchrun.cli.session import run_and_report  # noqa: PLC0415 - not needed for --help

    settles_doubt = options["in_doubt"] is not None
    stored_job = job_to_resume(folder)
    # The options of one resumption, such as --in-doubt resubmit, must not apply to later ones.
    return run_and_report(resolve(options, os.environ, stored_job), keep_options=False, accept_loss=settles_doubt)
