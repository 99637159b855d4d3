"""`batchrun export`."""

from pathlib import Path

import click

from batchrun.app.directory import FILES
from batchrun.app.export import export


@click.command("export")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--to", metavar="DIR2", type=click.Path(path_type=Path), help="Write the files there [default: DIR]")
def command(folder: Path, to: Path | None) -> int:
    """Write outputs.parquet and errors.parquet of the job in DIR, from its checkpoint. Works while it runs."""
    export(folder, to)
    for name in FILES:
        click.echo((to or folder) / name)
    return 0
