"""What a command writes, and to whom: to people, or to a program that reads records."""

import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

RECORDING = frozenset({"run", "resume", "retry", "check"})
"""The commands that have `--progress`."""


@contextmanager
def nobody_may_listen() -> Iterator[None]:
    """Within the block a broken pipe is no error; what is still buffered goes nowhere."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def wants_records(arguments: Sequence[str]) -> bool:
    """Whether standard error is to hold records alone (`--progress json`).

    Looked up before the arguments are parsed, since a mistake in them is told as a record, too.
    """
    if not arguments or arguments[0] not in RECORDING:
        return False
    chosen = os.environ.get("BATCHRUN_PROGRESS")
    for number, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--progress":
            chosen = value if equals else next(iter(arguments[number + 1 :]), "")
    return chosen == "json"


def say_error(message: str, exit_code: int, error: BaseException, *, as_record: bool, verbose: bool) -> None:
    """Tell why the command did not do its work; with `verbose`, also where in the code."""
    if not as_record:
        click.echo(f"Error: {message}", err=True)
        if verbose:
            traceback.print_exception(error)
        return
    from batchrun.adapters.clock import WallClock  # noqa: PLC0415 - only commands that are to tell records need these
    from batchrun.views.progress_events import Error, utc_time  # noqa: PLC0415
    from batchrun.views.progress_stream import EventStream  # noqa: PLC0415

    where = "".join(traceback.format_exception(error)) if verbose else None
    EventStream(sys.stderr).emit(
        Error(at=utc_time(WallClock().now()), exit_code=exit_code, message=message, traceback=where)
    )
