"""`batchrun run`."""

from typing import Any

import click

from batchrun.cli.check import preview, resolve_and_check
from batchrun.cli.examples import examples
from batchrun.cli.options import job_options, shown_options
from batchrun.cli.run_flags import RUN_FLAGS
from batchrun.cli.usage_errors import JobCommand
from batchrun.domain.filenames import ERRORS, JOB, OUTPUTS
from batchrun.domain.input_formats import COMPRESSED, FORMATS
from batchrun.options.types import join_alternatives

_TEXT = ", ".join(input_format.suffixes[0] for input_format in FORMATS.values() if input_format.is_text)
_COMPRESSED = join_alternatives(COMPRESSED)
_BINARY = ", ".join(input_format.suffixes[0] for input_format in FORMATS.values() if not input_format.is_text)

_REAL = "batchrun run rows.csv --workflow-id 7412345678901234567"
_SIMULATED = "batchrun run rows.csv --workflow-id echo --simulate"


@click.command(
    "run",
    cls=JobCommand,
    help=f"""Start a job, or resume it if its directory already holds it.

    Every row of INPUT ({_TEXT}, each also {_COMPRESSED}; {_BINARY}, or a folder or quoted glob of Parquet
    files) is sent to the workflow once, its run is polled until it ends, and the results are written to {OUTPUTS} and
    {ERRORS} in the run directory. If it is interrupted, the same command continues.
    """,
    epilog=examples(
        ("rehearse with slow runs, failures and a quota", f"{_SIMULATED} --sim duration=2 --sim fail=5% --sim rps=8"),
        ("check everything first, and estimate how long it takes", f"{_REAL} --dry-run"),
        ("20 submissions a second, at most 200 runs at once", f"{_REAL} --rps 20 -j 200"),
        ("send column `review` as input `text`, and a constant", f"{_REAL} --param text=review --const lang=en"),
        ("two fields of the output as columns of their own", f"{_REAL} --select label=label --select p=scores.top"),
        ("compare two prompts, each row twice", f"{_SIMULATED} --vary prompt=short,long --repeat 2"),
        ("all options from a file (batchrun init writes one)", f"batchrun run -c {JOB}"),
        ("as a nightly job: log to a file, stop after 6 hours", f"{_REAL} -q --log-file night.log --max-runtime 6h"),
    ),
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
