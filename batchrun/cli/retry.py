"""`batchrun retry`."""

from pathlib import Path
from typing import Any

import click

from batchrun.app.export import recorded_job
from batchrun.app.retry import retrying
from batchrun.cli.options import given, job_options, shown_options
from batchrun.cli.session import perform
from batchrun.job import PINNED, build_job


@click.command("retry")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--row", "rows", metavar="N", type=int, multiple=True, help="Only this row, by its number (repeat).")
@click.option(
    "--in-doubt",
    type=click.Choice(["resubmit", "fail"]),
    help="Settle rows in doubt too: submit them again (and maybe pay twice), or give them up.",
)
@job_options(without=(*PINNED, "out", "checkpoint_dir", "in_doubt"))
@shown_options
def command(
    folder: Path,
    *,
    rows: tuple[int, ...],
    in_doubt: str | None,
    progress: str,
    as_json: bool,
    quiet: bool,
    verbose: int,
    **options: Any,
) -> int:
    """Queue the failed and timed-out rows of the job in DIR again, then go on as resume does.

    A row that timed out is polled once more, and submitted again only if its run has not completed meanwhile. Options
    override what was recorded, for this command alone.
    """
    recorded = build_job(recorded_job(folder).model_dump() | given(options))
    job, retry = retrying(recorded, rows or None, in_doubt)
    return perform(
        job, keep_options=False, retry=retry, progress=progress, as_json=as_json, quiet=quiet, verbose=verbose
    )
