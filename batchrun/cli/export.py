"""`batchrun export`."""

from pathlib import Path
from typing import Any

import click

from batchrun.app.directory import FILES
from batchrun.app.export import export
from batchrun.cli.options import given, job_options
from batchrun.job import Job

_TAKEN = ("select", "flatten")
"""The options of a job that may differ from one export to the next."""


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--to", metavar="DIR2", type=click.Path(path_type=Path), help="Write the files there [default: DIR]")
@job_options(without=[field for field in Job.model_fields if field not in _TAKEN])
def command(folder: Path, to: Path | None, **options: Any) -> int:
    """Write outputs.parquet and errors.parquet of the job in DIR, from its checkpoint. Works while it runs.

    Its own --select and --flatten take the place of those that the job has recorded, for these files alone.
    """
    export(folder, to, **given(options))
    for name in FILES:
        click.echo((to or folder) / name)
    return 0
