"""Usage errors with hints on how to correct the command."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

import click

from batchrun.cli.option_groups import SectionedCommand
from batchrun.domain.input_formats import COMPRESSED, suffixes
from batchrun.domain.user_info import without_user_info
from batchrun.job import PINNED, Job, option_name


def _is_input(word: str) -> bool:
    """Whether a word looks like the name of an input file."""
    return word.lower().endswith((*suffixes(), *COMPRESSED))


class JobCommand(SectionedCommand):
    """A command with the options of a job."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments, and explain common mistakes."""
        arguments = list(args)  # the parser consumes `args`
        try:
            rest = super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            if error.option_name == "--resume":
                text = "No such option: --resume. To resume a job: batchrun resume DIR, or the same batchrun run again"
                raise click.UsageError(text, ctx) from None
            if (reason := self._missing_option_reason(error.option_name)) is not None:
                raise click.UsageError(reason, ctx) from None
            raise
        except click.UsageError as error:
            if "unexpected extra argument" in error.message:
                raise click.UsageError(f"{error.message}\n{_one_input(arguments)}", ctx) from None
            raise
        return rest

    def _missing_option_reason(self, option: str) -> str | None:
        """Why this command does not have an option of `run`; None if `run` does not have it either."""
        if option in {"-c", "--config", "--fresh", "-o", "--out", "--checkpoint-dir"}:
            return f"No such option: {option}. {self.name} starts from the job that DIR holds; to use it, use run"
        if option in map(option_name, PINNED):
            return f"No such option: {option}. It belongs to what makes the job in DIR this job, and cannot change"
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


def unusable_input(value: str | None) -> list[str]:
    """Messages for an INPUT that is not a file of rows."""
    if value == "-":
        return ["INPUT -: standard input cannot be read, since the rows are read more than once; save them to a file"]
    if value and "://" in value:
        return [f"INPUT {without_user_info(value)}: an address cannot be read; download the file first"]
    if value and value.endswith(".toml"):
        return [f"INPUT {value}: a job file is given with -c: batchrun run -c {value}"]
    return []
