"""Usage errors with hints on how to correct the command."""

from collections.abc import Sequence
from difflib import get_close_matches
from itertools import takewhile
from pathlib import Path

import click

from batchrun.cli.option_groups import SectionedCommand
from batchrun.domain.input_formats import COMPRESSED, suffixes
from batchrun.job import PINNED, Job
from batchrun.options.names import option_name


def _is_input(word: str) -> bool:
    """Whether a word looks like the name of an input file."""
    return word.lower().endswith((*suffixes(), *COMPRESSED))


_MEANT = {
    "--resume": "To resume a job: batchrun resume DIR, or the same batchrun run again",
    "--token": "A token is never an option: put it into COZE_API_TOKEN, or into a file for --token-file",
    "--timeout": "There are --request-timeout, --run-timeout and --max-outage",
    **dict.fromkeys(
        ("--concurrency", "--parallel", "--workers", "--threads", "--jobs"),
        "Concurrent runs: -j, --max-in-flight; concurrent requests: --max-connections",
    ),
}
"""What is meant by options that other programs have."""

_NO_DRY_RUN = "What is left to do: batchrun status DIR; the next requests: batchrun run … -o DIR --dry-run"
_NO_SIMULATOR = "That simulator ends with its job. One that goes on: batchrun simulate; its address is for --base-url"
_LACKING = {
    ("resume", "-n"): _NO_DRY_RUN,
    ("resume", "--dry-run"): _NO_DRY_RUN,
    ("retry", "-n"): _NO_DRY_RUN,
    ("retry", "--dry-run"): _NO_DRY_RUN,
    ("history", "--simulate"): _NO_SIMULATOR,
}
"""What to do in a command that does not have this option of `run`."""


class JobCommand(SectionedCommand):
    """A command with the options of a job."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and explain common mistakes."""
        arguments = list(args)  # the parser consumes `args`
        self._refuse_single_dash(ctx, arguments)
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if (reason := self._missing_option_reason(error.option_name)) is not None:
                raise click.UsageError(f"No such option: {error.option_name}. {reason}", ctx) from None
            raise
        except click.UsageError as error:
            if "unexpected extra argument" in error.message:
                raise click.UsageError(f"{error.message}\n{_one_input(arguments)}", ctx) from None
            raise
        return rest

    def _refuse_single_dash(self, ctx: click.Context, args: Sequence[str]) -> None:
        """Refuse `-rps`, which the parser takes for `-r`, and `-out`, which it takes for `-o ut`."""
        options = {name for parameter in self.get_params(ctx) for name in parameter.opts}
        for arg in takewhile(lambda arg: arg != "--", args):
            if arg.startswith("-") and f"-{arg.partition('=')[0]}" in options:
                raise click.UsageError(f"No such option: {arg}. Long options have two dashes: -{arg}", ctx)

    def _missing_option_reason(self, option: str) -> str | None:
        """What to do about an option that this command does not have; None if nothing is known of it."""
        if (text := _LACKING.get((self.name or "", option)) or _MEANT.get(option)) is not None:
            return text
        if self.name not in {"resume", "retry"}:
            return None
        if option in {"-c", "--config", "--fresh", "-o", "--out", "--checkpoint-dir"}:
            return f"{self.name} starts from the job that DIR holds; to use it, use run"
        if option in map(option_name, PINNED):
            corrected = "If nothing was accepted yet, correct the first command, and run it again"
            return f"It belongs to what makes the job in DIR this job, and cannot change. {corrected}"
        return None


def _one_input(args: Sequence[str]) -> str:
    files = [arg for arg in args if not arg.startswith("-") and _is_input(arg)]
    if len(files) > 1:
        if all(name.lower().endswith(".parquet") for name in files):
            return (
                "There is one INPUT. If the shell has replaced a pattern by the names of files, "
                "put the pattern in quotes: 'data/*.parquet'"
            )
        return "There is one INPUT. Only Parquet files can be several; put the others into one file first"
    return "There is one INPUT. A value with spaces must be in quotes, and an option begins with --"


def suggest_command(word: str, commands: Sequence[str]) -> str:
    """A suggestion for a word that is not a command."""
    if _is_input(word) or Path(word).is_file():
        return f"Did you mean batchrun run {word}?"
    if word in {"-c", "-o", "-j", "-n", "-q", "-v"} or word.partition("=")[0] in map(option_name, Job.model_fields):
        return f"Options follow the command: batchrun run INPUT {word} …"
    close = get_close_matches(word.lower(), commands, 1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(commands)}"
