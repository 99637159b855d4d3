"""`batchrun check` and `batchrun run --dry-run`."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
import msgspec

from batchrun.app.signals import interruptible
from batchrun.cli.option_sources import ResolvedCommand, resolve
from batchrun.cli.options import job_options, shown_options
from batchrun.cli.run_flags import RUN_FLAGS
from batchrun.cli.usage_errors import JobCommand
from batchrun.errors import ExitCode

log = logging.getLogger("batchrun")


@click.command("check", cls=JobCommand)
@click.argument("input", metavar="INPUT", required=False)
@click.option(
    "-c", "--config", metavar="FILE.toml", multiple=True, help="A file with any option by its long name, and input"
)
@job_options()
@click.option("--fresh", is_flag=True, default=None, help=RUN_FLAGS["fresh"].description)
@shown_options
def command(**options: Any) -> int:
    """Find everything that is wrong with a job before its first POST: options, input, run directory.

    Takes what `run` takes. All mistakes are reported together (exit 2). The service is asked for the workflow and its
    inputs; no run is started and no file is made. `batchrun run --dry-run` also shows the first requests, and an
    estimate of calls and duration.
    """
    resolved = resolve_and_check(options)
    return preview(resolved, plan=resolved.run_flags.dry_run)


def resolve_and_check(options: Mapping[str, Any]) -> ResolvedCommand:
    """Resolve the options of the command. If some are invalid, also report mistakes in the input and the directory."""

    def further_mistakes(values: Mapping[str, object]) -> list[str]:
        from batchrun.app.check import further_mistakes  # noqa: PLC0415 - not needed for --help

        return further_mistakes(values)

    return resolve(options, os.environ, further_mistakes=further_mistakes)


def preview(command: ResolvedCommand, *, plan: bool) -> int:
    """Check the job and print the result. With `plan`, also print the first requests and an estimate."""
    from batchrun.app.check import check  # noqa: PLC0415 - not needed for --help
    from batchrun.cli.session import refuse_log_file, set_up_log  # noqa: PLC0415
    from batchrun.views.preview import show_check, show_plan  # noqa: PLC0415

    run_flags = command.run_flags
    refuse_log_file(run_flags.log_file, command.job)
    set_up_log(run_flags)
    with _counted() as warnings, interruptible(), command.located():
        for warning in command.warnings:
            log.warning(warning)
        found = check(command.job, fresh=run_flags.fresh)
    if run_flags.as_json:
        click.echo(msgspec.json.encode(found.as_dict()))
    elif not run_flags.quiet:
        show_check(found, len(warnings))
        if plan:
            show_plan(found)
    return ExitCode.ROW_ERRORS if found.unsendable_rows else ExitCode.OK


@contextmanager
def _counted() -> Iterator[list[logging.LogRecord]]:
    """The warnings that are logged in this context."""
    warnings = list[logging.LogRecord]()

    class Counting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            warnings.append(record)

    handler = Counting(logging.WARNING)
    log.addHandler(handler)
    try:
        yield warnings
    finally:
        log.removeHandler(handler)
