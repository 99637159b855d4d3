"""`batchrun export`."""

import os
from typing import Any

import click

from batchrun.app.pinned_job import load_job
from batchrun.app.signals import interruptible
from batchrun.cli.examples import examples
from batchrun.cli.option_sources import resolve
from batchrun.cli.options import job_options
from batchrun.cli.output import show_log
from batchrun.domain.filenames import ERRORS, OUTPUTS
from batchrun.domain.result_formats import PARQUET, RESULT_FORMATS, result_format
from batchrun.errors import ExitCode
from batchrun.job import Job
from batchrun.options.types import folder_of

_EXPORT_OPTIONS = ("select", "flatten")
"""The options of a job that an export can override."""


@click.command(
    "export",
    help=f"""Write the results of the job in DIR, from its checkpoint. Works while it runs.

    The files are {OUTPUTS} and {ERRORS}; with --format csv, outputs.csv and errors.csv beside them, and
    scores.csv if the job has scores.

    With --select or --flatten, these files have the columns given here instead of those that the job has recorded.
    """,
    epilog=examples(
        ("write the results of a job that still runs", "batchrun export rows-run"),
        ("as Excel workbooks", "batchrun export rows-run --format xlsx"),
        ("into another folder, with other columns", "batchrun export rows-run --to june --select label=result.label"),
    ),
)
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--to", metavar="DIR2", type=click.Path(), help="Write the files there [default: DIR]")
@click.option(
    "--format",
    "formats",
    multiple=True,
    metavar="|".join(RESULT_FORMATS),
    help=f"Format of the files; repeat it for several. xlsx needs the extra `xlsx` [default: {PARQUET.name}]",
)
@click.option(
    "--excel-safe",
    is_flag=True,
    help="In csv, put an apostrophe before texts that a spreadsheet would run as a formula",
)
@job_options(without=[field for field in Job.model_fields if field not in _EXPORT_OPTIONS])
def command(folder: str, to: str | None, formats: tuple[str, ...], *, excel_safe: bool, **options: Any) -> int:
    from batchrun.app.export import export, refuse_unusable  # noqa: PLC0415 - not needed for --help

    directory, target = folder_of(folder), None if to is None else folder_of(to, "--to")
    names = tuple(dict.fromkeys(formats)) or (PARQUET.name,)
    for name in names:
        refuse_unusable(result_format(name), excel_safe=excel_safe)
    with interruptible():
        show_log()
        stored = load_job(directory)
        if options["select"] or options["flatten"]:  # they take the place of both recorded ones
            stored = stored.model_copy(update={"select": {}, "flatten": False})
        job = resolve(options, os.environ, stored).job
        for name in names:
            paths = export(
                directory, target, select=job.select, flatten=job.flatten, format=name, excel_safe=excel_safe
            )
            for path in paths:
                click.echo(path)
    return ExitCode.OK
