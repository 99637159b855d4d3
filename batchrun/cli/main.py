"""The entry point: finds the command, and turns whatever goes wrong into plain lines and an exit code."""

import importlib
import logging
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from batchrun.cli.output import nobody_may_listen, say_error, wants_records
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
    """Imports a command only when it is called, so that help and status answer at once."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:  # while a command was being imported: click would write an empty line
            from batchrun.app.signals import Interrupted  # noqa: PLC0415 - seldom needed

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
        """Parse what stands before the command."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            raise click.UsageError(f"No such option: {error.option_name}. {_meant(error.option_name)}", ctx) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say what may have been meant."""
        if args and args[0] not in COMMANDS:
            raise click.UsageError(f"No such command: {args[0]}. {_meant(args[0])}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _meant(word: str) -> str:
    from batchrun.cli.usage_errors import suggest_command  # noqa: PLC0415 - it knows all options, which takes time

    return suggest_command(word, list(COMMANDS))


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted:
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
    # Arrow's own allocators keep what they once held; the system's gives it back, so an export does not leave its mark.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # Pydantic looks for plugins in all installed packages, which takes time, and we have none.
    "PYDANTIC_DISABLE_PLUGINS": "true",
}
"""How libraries are set up that no command has imported yet; what the user has set stands."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and leave with the contract's exit code."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    as_record = wants_records(sys.argv[1:] if arguments is None else arguments)

    def say(message: str, exit_code: int, error: BaseException) -> int:
        log = logging.getLogger("batchrun")
        told = as_record or any(handler.name == "events" for handler in log.handlers)  # asked for in a job file
        with nobody_may_listen():
            say_error(message, exit_code, error, as_record=told, verbose=log.isEnabledFor(logging.INFO))
        return exit_code

    result: object = ExitCode.OK
    try:
        with nobody_may_listen():
            result = cli.main(arguments, prog_name="batchrun", standalone_mode=False)
    except click.ClickException as error:
        if as_record:
            return say(error.format_message(), ExitCode.USAGE, error)
        error.show()
        return ExitCode.USAGE
    except SystemExit:  # click's own way out of a broken pipe: whoever read has read enough, and that is no error
        return ExitCode.OK
    except click.Abort:
        return ExitCode.SIGINT
    except BatchrunError as error:
        return say(str(error), error.exit_code, error)
    except Exception as error:  # noqa: BLE001 - the last place that can tell the user anything
        bug = f"a bug in batchrun, please report it: {type(error).__name__}: {error}\nAgain with -v for details."
        return say(bug, ExitCode.BUG, error)
    except BaseException as error:
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int):
            raise
        return say(f"interrupted by {error} before anything was sent", code, error)
    return result if isinstance(result, int) else ExitCode.OK
