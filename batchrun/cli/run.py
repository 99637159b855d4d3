"""`batchrun run`."""

from typing import Any

import click

from batchrun.cli.options import job_options, merged, shown_options
from batchrun.cli.session import perform
from batchrun.job import build_job


@click.command("run")
@click.argument("input_path", metavar="INPUT", required=False)
@click.option("-c", "--config", metavar="FILE.toml", help="A file with any option by its long name, and input.")
@job_options()
@click.option(
    "--fresh", is_flag=True, help="Set an existing run directory aside (renamed, never deleted) and start anew."
)
@shown_options
def command(  # the signature is the command line
    input_path: str | None,
    config: str | None,
    *,
    fresh: bool,
    progress: str,
    as_json: bool,
    quiet: bool,
    verbose: int,
    **options: Any,
) -> int:
    """Start a job, or resume it where its directory holds it already.

    Every row of INPUT (.csv, .tsv, .parquet) is sent to the workflow once, its run is polled until it ends, and the
    results are written to outputs.parquet and errors.parquet in the run directory. Whatever interrupts it, the same
    command goes on.
    """
    job = build_job(merged(input_path, config, options))
    return perform(job, fresh=fresh, progress=progress, as_json=as_json, quiet=quiet, verbose=verbose)
