"""`batchrun head`."""

import click

from batchrun.app.signals import interruptible
from batchrun.cli.output import show_log
from batchrun.domain.filenames import ERRORS
from batchrun.errors import ExitCode


@click.command("head")
@click.argument("folder", metavar="DIR", type=click.Path())
@click.option("--errors", is_flag=True, help=f"The rows of {ERRORS}: failed, timed out, or in doubt")
@click.option("-n", "count", metavar="N", type=click.IntRange(1), default=10, help="How many rows", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per row, with nothing left out")
def command(folder: str, *, errors: bool, count: int, as_json: bool) -> int:
    """Show the first rows of the results of the job in DIR, as they stand now. Works while it runs.

    On a terminal the cells are cut to what fits, and the least useful columns are hidden; elsewhere nothing is cut
    (batchrun head DIR | less -S).
    """
    from batchrun.app.head import head  # noqa: PLC0415 - not needed for --help
    from batchrun.views.console import Terminal  # noqa: PLC0415
    from batchrun.views.row_table import show_rows, write_rows  # noqa: PLC0415

    with interruptible():
        show_log()
        rows = head(folder, count, errors)
    if rows.num_rows == 0:
        what = "no failed, timed-out or in-doubt rows" if errors else "no row is completed yet"
        click.echo(f"{folder}: {what}", err=as_json)
    elif as_json:
        write_rows(rows, click.echo)
    else:
        show_rows(rows, Terminal(highlight=False))
    return ExitCode.OK
