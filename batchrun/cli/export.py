"""`batchrun export`."""

import os
from typing import Any

import click

from batchrun.app.pinned_job import load_job
from batchrun.app.signals import interruptible
from batchrun.cli.option_sources import resolve
from batchrun.cli.options import job_options
from batchrun.domain.filenames import ERRORS, OUTPUTS, RESULTS
from batchrun.errors import ExitCode
from batchrun.job import Job
from batchrun.option_types import folder_of

_EXPORT_OPTIONS = ("select", "flatten")
"""The options of a job that an export can override."""


@click.command(
    "export",
    help=f"""Write {OUTPUTS} and {ERRORS} of the job in DIR, from its checkpoint. Works while it runs.

    Its own --select and --flatten take the place of those that the job has recorded, for these files alone.
    """,
)
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--to", metavar="DIR2", type=click.Path(), help="Write the files there [default: DIR]")
@job_options(without=[field for field in Job.model_fields if field not in _EXPORT_OPTIONS])
def command(folder: str, to: str | None, **options: Any) -> int:
    from batchrun.app.export import export  # noqa: PLC0415 - not needed for --help

    directory, target = folder_of(folder), None if to is None else folder_of(to, "--to")
    with interruptible():
        stored = load_job(directory)
        if options["select"] or options["flatten"]:  # they take the place of both recorded ones
            stored = stored.model_copy(update={"select": {}, "flatten": False})
        job = resolve(options, os.environ, stored).job
        export(directory, target, select=job.select, flatten=job.flatten)
    for name in RESULTS:
        click.echo((target or directory) / name)
    return ExitCode.OK
