"""Output of a command: error messages for people, or as JSON events for programs."""

import logging
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from batchrun.domain.user_info import without_user_info

EVENT_COMMANDS = frozenset({"run", "resume", "retry", "check"})
"""The commands that have `--progress`."""


@contextmanager
def ignore_broken_pipe() -> Iterator[None]:
    """While the context is open, ignore a broken pipe and discard the buffered output."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def wants_events(arguments: Sequence[str]) -> bool:
    """Whether standard error must hold JSON events only (`--progress json`).

    This is checked before the arguments are parsed, because mistakes in the arguments are reported as events too.
    """
    if not arguments or arguments[0] not in EVENT_COMMANDS:
        return False
    chosen = os.environ.get("BATCHRUN_PROGRESS")
    for index, argument in enumerate(arguments):
        name, equals, value = argument.partition("=")
        if name == "--progress":
            chosen = value if equals else next(iter(arguments[index + 1 :]), "")
    return chosen == "json"


def report_error(message: str, exit_code: int, error: BaseException, *, as_event: bool, verbose: bool) -> None:
    """Report why the command failed, also in the log file if there is one; `verbose`: with the traceback."""
    message = without_user_info(message)
    details = without_user_info("".join(traceback.format_exception(error))) if verbose else None
    file_log = logging.getLogger("batchrun.file")
    if file_log.handlers:
        file_log.error("Error: %s (exit code %d)", message, exit_code)
    if not as_event:
        click.echo(f"Error: {message}", err=True)
        if details is not None:
            click.echo(details, err=True, nl=False)
        return
    from batchrun.adapters.clock import WallClock  # noqa: PLC0415 - only needed for events
    from batchrun.views.progress_events import Error, utc_time  # noqa: PLC0415
    from batchrun.views.progress_stream import EventStream  # noqa: PLC0415

    EventStream(sys.stderr).emit(
        Error(at=utc_time(WallClock().now()), exit_code=exit_code, message=message, traceback=details)
    )
