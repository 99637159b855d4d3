"""`batchrun run`."""

from typing import Any

import click

from batchrun.cli.check import preview, resolve_and_check
from batchrun.cli.options import job_options, shown_options
from batchrun.cli.run_flags import RUN_FLAGS
from batchrun.cli.usage_errors import JobCommand
from batchrun.domain.filenames import ERRORS, OUTPUTS
from batchrun.domain.input_formats import COMPRESSED, FORMATS
from batchrun.option_types import join_alternatives

_TEXT = ", ".join(input_format.suffixes[0] for input_format in FORMATS.values() if input_format.is_text)
_COMPRESSED = join_alternatives(COMPRESSED)
_BINARY = ", ".join(input_format.suffixes[0] for input_format in FORMATS.values() if not input_format.is_text)


@click.command(
    "run",
    cls=JobCommand,
    help=f"""Start a job, or resume it where its directory holds it already.

    Every row of INPUT ({_TEXT}, each also {_COMPRESSED}; {_BINARY}, or a folder or quoted glob of Parquet
    files) is sent to the workflow once, its run is polled until it ends, and the results are written to {OUTPUTS} and
    {ERRORS} in the run directory. Whatever interrupts it, the same command goes on.
    """,
)
@click.argument("input", metavar="INPUT", required=False)
@click.option(
    "-c", "--config", metavar="FILE.toml", multiple=True, help="A file with any option by its long name, and input"
)
@job_options()
@click.option("--fresh", is_flag=True, default=None, help=RUN_FLAGS["fresh"].description)
@click.option("-n", "--dry-run", is_flag=True, default=None, help=RUN_FLAGS["dry_run"].description)
@shown_options
def command(**options: Any) -> int:
    resolved = resolve_and_check(options)
    if resolved.run_flags.dry_run:
        return preview(resolved, plan=True)
    from batchrun.cli.session import run_and_report  # noqa: PLC0415 - not needed for --help

    return run_and_report(resolved)
