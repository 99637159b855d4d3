"""`batchrun retry`."""

import os
from dataclasses import replace
from typing import Any

import click

from batchrun.app.resume import FIXED, job_to_resume
from batchrun.app.retry import plan_retry
from batchrun.cli.examples import examples
from batchrun.cli.option_sources import resolve
from batchrun.cli.options import job_options, shown_options
from batchrun.cli.usage_errors import JobCommand


@click.command(
    "retry",
    cls=JobCommand,
    epilog=examples(
        ("submit all failed and timed-out rows again", "batchrun retry rows-run"),
        ("only two of them, by row number", "batchrun retry rows-run --row 17 --row 42"),
        ("only the rows that timed out, with more time", "batchrun retry rows-run --kind timeout --run-timeout 7200"),
        ("give up the rows in doubt", "batchrun retry rows-run --in-doubt fail"),
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--row", "rows", metavar="N", type=int, multiple=True, help="Only this row, by its number (repeat)")
@click.option(
    "--kind", "kinds", metavar="KIND", multiple=True, help="Only rows with this error_kind, such as timeout (repeat)"
)
@click.option(
    "--in-doubt",
    type=click.Choice(["resubmit", "fail"]),
    help="Decide on rows in doubt too: submit them again (and maybe pay twice), or give them up "
    "[default: as the job says]",
    metavar="resubmit|fail",
)
@job_options(without=(*FIXED, "in_doubt"))
@shown_options
def command(folder: str, rows: tuple[int, ...], kinds: tuple[str, ...], in_doubt: str | None, **options: Any) -> int:
    """Queue the failed and timed-out rows of the job in DIR again, then continue as `resume` does.

    A row that timed out is polled once more, and submitted again only if its run has not completed meanwhile. Options
    given here replace the recorded ones for this session only.
    """
    from batchrun.cli.session import run_and_report  # noqa: PLC0415 - not needed for --help

    resolved = resolve(options, os.environ, job_to_resume(folder))
    job, retry = plan_retry(resolved.job, rows or None, in_doubt, kinds or None)
    accept_loss = in_doubt is not None
    return run_and_report(replace(resolved, job=job), keep_options=False, retry=retry, accept_loss=accept_loss)
