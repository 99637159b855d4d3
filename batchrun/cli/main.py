"""The entry point: runs a command, and reports every error as a message and an exit code."""

import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from batchrun.cli.output import ignore_broken_pipe, report_error, wants_events
from batchrun.errors import BatchrunError, ExitCode

COMMANDS = {
    "run": "start a job, or resume it where its directory holds it already",
    "resume": "resume a job from its directory alone",
    "retry": "queue failed and timed-out rows again, then go on as resume does",
    "status": "show where a job stands, also while it runs",
    "head": "show the first rows of the results, also while it runs",
    "export": "write the Parquet files from the checkpoint, at any time",
    "check": "find everything that is wrong before the first POST; send nothing",
    "history": "ask the service about one run, and print its JSON",
    "init": "write a job file, with every option and its meaning",
    "simulate": "serve the built-in simulator of the service on loopback",
}


class _LazyGroup(click.Group):
    """Imports a command only when it is called, so that `--help` and `status` start fast."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # while a command is imported; click would print an empty line
            from batchrun.app.signals import Interrupted  # noqa: PLC0415 - rarely needed

            raise Interrupted(signal.SIGINT) from None

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"batchrun.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the options before the command."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            text = f"No such option: {error.option_name}. {_suggestion(error.option_name)}"
            raise click.UsageError(text, ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest one."""
        if args and args[0] not in COMMANDS:
            raise click.UsageError(f"No such command: {args[0]}. {_suggestion(args[0])}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _suggestion(word: str) -> str:
    from batchrun.cli.usage_errors import suggest_command  # noqa: PLC0415 - it imports all options, which takes time

    return suggest_command(word, list(COMMANDS))


def _version(ctx: click.Context, _param: click.Parameter, is_set: bool) -> None:
    if is_set:
        from batchrun.version import VERSION  # noqa: PLC0415 - reading the metadata is slow

        click.echo(f"batchrun {VERSION}")
        ctx.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli() -> None:
    """Push many rows through a remote workflow service: paced, resumable, and never paid twice.

    Try it with no account:  batchrun run rows.csv --workflow-id echo --simulate
    """


ENVIRONMENT = {
    # Arrow's own memory pools keep freed memory. The system allocator returns it, which matters after an export.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # Pydantic searches all installed packages for plugins, which takes time. batchrun uses none.
    "PYDANTIC_DISABLE_PLUGINS": "true",
}
"""Environment variables for libraries that are imported later. Variables that the user has set take precedence."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the documented exit code."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    as_event = wants_events(sys.argv[1:] if arguments is None else arguments)

    def report(message: str, exit_code: int, error: BaseException) -> int:
        log = logging.getLogger("batchrun")
        emit_event = as_event or any(handler.name == "events" for handler in log.handlers)  # requested in a job file
        with ignore_broken_pipe():
            report_error(message, exit_code, error, as_event=emit_event, verbose=log.isEnabledFor(logging.INFO))
        return exit_code

    result: object = ExitCode.OK
    try:
        with ignore_broken_pipe():
            result = cli.main(arguments, prog_name="batchrun", standalone_mode=False)
    except click.ClickException as error:
        if as_event:
            return report(error.format_message(), ExitCode.USAGE, error)
        error.show()
        return ExitCode.USAGE
    except SystemExit:  # click exits like this on a broken pipe; the reader has closed it, which is not an error
        return ExitCode.OK
    except click.Abort:
        return ExitCode.SIGINT
    except BatchrunError as error:
        return report(str(error), error.exit_code, error)
    except Exception as error:  # noqa: BLE001 - the last place that can report an error to the user
        bug = f"a bug in batchrun, please report it: {type(error).__name__}: {error}\nAgain with -v for details."
        return report(bug, ExitCode.BUG, error)
    except BaseException as error:
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int):
            raise
        return report(f"interrupted by {error} before anything was sent", code, error)
    return result if isinstance(result, int) else ExitCode.OK
