"""`batchrun resume`."""

from pathlib import Path
from typing import Any

import click

from batchrun.app.export import recorded_job
from batchrun.cli.options import given, job_options, shown_options
from batchrun.cli.session import perform
from batchrun.job import PINNED, build_job


@click.command("resume")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@job_options(without=(*PINNED, "out", "checkpoint_dir"))
@shown_options
def command(folder: Path, *, progress: str, as_json: bool, quiet: bool, verbose: int, **options: Any) -> int:
    """Resume the job in DIR from its directory alone.

    Options override what was recorded, for this command alone; what makes the job this job (input, workflow, mapping)
    stays as it was.
    """
    recorded = recorded_job(folder)
    job = build_job(recorded.model_dump() | given(options))
    # What is asked of one resumption (to submit again what is in doubt, say) is not meant for all that follow.
    return perform(job, keep_options=False, progress=progress, as_json=as_json, quiet=quiet, verbose=verbose)
