"""The entry point: runs a command, and reports every error as a message and an exit code."""

import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from batchrun.app.leaving import end_with
from batchrun.cli.event_option import wants_events
from batchrun.cli.examples import examples
from batchrun.cli.output import report_error
from batchrun.cli.standard_streams import prepare_streams
from batchrun.domain.undecoded import is_text, shown_name
from batchrun.errors import NO_MEMORY, BatchrunError, ExitCode, InputError
from batchrun.views.log_names import EVENT_HANDLER

COMMANDS = {
    "run": "start a job, or resume it if its directory already holds it",
    "resume": "continue a job, given only its directory",
    "retry": "queue failed and timed-out rows again, then continue",
    "status": "show where a job stands, also while it runs",
    "head": "show the first rows of the results, also while it runs",
    "export": "write the results from the checkpoint at any time: Parquet, CSV, JSONL, Excel",
    "report": "write an HTML report: duration, failures, next step",
    "score": "score the outputs that are there, also while it runs",
    "compare": "tell which variant is better, and whether that may be chance",
    "check": "check everything without starting a run",
    "history": "ask the service about one run, and print its JSON",
    "init": "write a job file, with every option and its meaning",
    "simulate": "serve the built-in simulator of the service on loopback",
}


_RUN = "batchrun run rows.csv"


class _LazyGroup(click.Group):
    """Imports a command only when it is called, so that `--help` and `status` start fast."""

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


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=examples(
        ("rehearse: no account, no cost", f"{_RUN} --workflow-id echo --simulate"),
        (
            "run a workflow; the token is in COZE_API_TOKEN",
            f"{_RUN} --workflow-id 7412345678901234567",
        ),
        ("watch it from another terminal", "batchrun status rows-run --watch"),
        ("continue after Ctrl-C, a kill or a power cut", "batchrun resume rows-run"),
        ("look at the failed rows, and submit them again", "batchrun head rows-run --errors; batchrun retry rows-run"),
    ),
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Show the version.")
def cli() -> None:
    """Run every row of a file through a remote workflow: within the rate limit, resumable after any interruption,
    without paying twice.

    `batchrun COMMAND --help` has all options of a command.
    """


ENVIRONMENT = {
    # Arrow's own memory pools keep freed memory. The system allocator returns it, which matters after an export.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # Pydantic searches all installed packages for plugins, which takes time. batchrun uses none.
    "PYDANTIC_DISABLE_PLUGINS": "true",
}
"""Environment variables for libraries that are imported later. Variables that the user has set take precedence."""


def _refuse_undecodable(arguments: Sequence[str]) -> None:
    """Raise `InputError` for text that Python could not decode. No file of the job, and no request, could hold it."""
    variables = {name: text for name, text in os.environ.items() if name.startswith(("BATCHRUN_", "COZE_"))}
    encoding = sys.getfilesystemencoding()
    advice = f"is not text in the encoding of this system, {encoding}. Rename the file, or set LC_ALL=C.UTF-8"
    problems = [f"{shown_name(text)}: {advice}" for text in arguments if not is_text(text)]
    problems += [f"the variable {name}: {advice}" for name, text in variables.items() if not is_text(text)]
    if problems:
        raise InputError(*problems)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit with the documented exit code."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    prepare_streams()
    code = _run(arguments)
    end_with(code)
    sys.exit(code)


def _run(arguments: Sequence[str] | None) -> int:
    as_event = wants_events(sys.argv[1:] if arguments is None else arguments)

    def report(message: str, exit_code: int, error: BaseException) -> int:
        log = logging.getLogger("batchrun")
        emit_event = as_event or any(
            handler.name == EVENT_HANDLER for handler in log.handlers
        )  # requested in a job file
        report_error(message, exit_code, error, as_event=emit_event, verbose=log.isEnabledFor(logging.INFO))
        return exit_code

    try:
        _refuse_undecodable(sys.argv[1:] if arguments is None else arguments)
        result = cli.main(arguments, prog_name="batchrun", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        if as_event:
            return report(error.format_message(), ExitCode.USAGE, error)
        error.show()
        return ExitCode.USAGE
    except click.Abort:
        return ExitCode.SIGINT
    except Exception as error:  # noqa: BLE001 - the last place that can report an error to the user
        while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]
        if isinstance(error, BatchrunError):
            return report(str(error), error.exit_code, error)
        if isinstance(error, MemoryError):
            return report(NO_MEMORY, ExitCode.STORAGE, error)
        bug = f"a bug in batchrun, please report it: {type(error).__name__}: {error}\nAgain with -v for details."
        return report(bug, ExitCode.BUG, error)
    except BaseException as error:
        code = getattr(error, "exit_code", None)
        if not isinstance(code, int):
            raise
        return report(str(error), code, error)
    return result if isinstance(result, int) else ExitCode.OK
