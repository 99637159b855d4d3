"""`batchrun status`."""

from pathlib import Path

import click
import msgspec

from batchrun.errors import ExitCode


@click.command("status")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, envvar="BATCHRUN_JSON", help="As one JSON object.")
def command(folder: Path, *, as_json: bool) -> int:
    """Show where the job in DIR stands: counts, requests, rate, ETA, errors by kind. Works while it runs."""
    from batchrun.app.status import status  # noqa: PLC0415 - not needed for --help

    summary = status(folder)
    if as_json:
        click.echo(msgspec.json.encode(summary.as_dict()).decode())
    else:
        from batchrun.views.closing_summary import show_summary  # noqa: PLC0415

        show_summary(summary)
    return ExitCode.OK
