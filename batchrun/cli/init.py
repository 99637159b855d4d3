"""`batchrun init`."""

import os
import shlex
from contextlib import suppress
from pathlib import Path

import click

from batchrun.cli.job_template import job_template
from batchrun.errors import ExitCode, InputError, StorageError


@click.command("init")
@click.argument("file", metavar="[FILE]", default="batchrun.toml", type=click.Path(path_type=Path))
@click.option("--input", "input_path", metavar="INPUT", help="Set the input, as seen from the working directory.")
@click.option("--workflow-id", metavar="ID", help="Set the workflow.")
def command(file: Path, input_path: str | None, workflow_id: str | None) -> int:
    """Write a job file, by default batchrun.toml: every option with its meaning and default, as comments.

    It is run with `batchrun run -c FILE`. An existing file is not overwritten.
    """
    given = {}
    if input_path:
        given["input"] = input_path if input_path.startswith("~") else os.path.relpath(input_path, file.parent)
    if workflow_id:
        given["workflow_id"] = workflow_id
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(job_template(given))
    except FileExistsError:
        raise InputError(f"{file} already exists; not overwritten. Choose another name") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be written: {error.strerror}") from None
    with suppress(StorageError):  # the file is written, whether that can be said or not
        _say_what_is_next(file, [name for name in ("input", "workflow-id") if name.replace("-", "_") not in given])
    return ExitCode.OK


def _say_what_is_next(file: Path, missing: list[str]) -> None:
    click.echo(f"Wrote {file}. Next:")
    if missing:
        click.echo(f"  set {' and '.join(missing)} in it")
    run = f"batchrun run -c {shlex.quote(str(file))}"
    click.echo(f"  {run} --simulate   # a rehearsal: no account, no cost")
    click.echo(f"  {run}")
