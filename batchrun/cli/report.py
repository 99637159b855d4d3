"""`batchrun report`."""

import click

from batchrun.app.signals import interruptible
from batchrun.cli.output import show_log
from batchrun.domain.filenames import REPORT
from batchrun.errors import ExitCode


@click.command("report")
@click.argument("folder", metavar="DIR", type=click.Path())
@click.argument("others", metavar="[DIR2]...", nargs=-1, type=click.Path())
@click.option(
    "-o", "--to", metavar="FILE.html", type=click.Path(), help=f"The file [default: DIR/{REPORT}; needed for several]"
)
@click.option(
    "--redact",
    metavar="COLUMN",
    multiple=True,
    help="Leave out the values of this column of the input, also where error messages and outputs repeat them",
)
def command(folder: str, others: tuple[str, ...], to: str | None, redact: tuple[str, ...]) -> int:
    """Write one HTML page about the job in DIR, or about several side by side: how long it took and why, what failed
    and why, what it cost, which variant is better, and what to run next.

    Works while the job runs. The page needs no network. It shows input values of the slowest and of failed rows, and
    for sweeps some outputs: leave out with --redact what its readers should not see.

    Needs pip install 'batchrun[report]'.
    """
    from batchrun.app.report import report  # noqa: PLC0415 - not needed for --help

    with interruptible():
        show_log()
        click.echo(report(folder, *others, to=to, redact=redact))
    return ExitCode.OK
