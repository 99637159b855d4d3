"""Output of a command: error messages for people, or as JSON events for programs."""

import logging
import sys
import traceback

import click

from batchrun.domain.user_info import without_user_info
from batchrun.errors import ExitCode
from batchrun.views.log_names import FILE_LOG
from batchrun.views.printable import printable


def show_log() -> None:
    """Show batchrun's warnings on standard error as `run` does: with their time, without control characters."""
    from batchrun.views.console import Terminal  # noqa: PLC0415 - not needed for --help
    from batchrun.views.log_lines import set_up_logs  # noqa: PLC0415 - likewise

    set_up_logs(Terminal(stderr=True), quiet=False, verbose=0)


def report_error(message: str, exit_code: int, error: BaseException, *, as_event: bool, verbose: bool) -> None:
    """Report why the command failed, also in the log file if there is one; `verbose`: with the traceback."""
    message = _shown(message, exit_code)
    details = _shown("".join(traceback.format_exception(error)), exit_code) if verbose else None
    file_log = logging.getLogger(FILE_LOG)
    if file_log.handlers:
        file_log.error("Error: %s (exit code %d)", message, exit_code)
    if not as_event:
        click.echo(f"Error: {printable(message)}", err=True)
        if details is not None:
            click.echo(details, err=True, nl=False)
        return
    from batchrun.adapters.clock import WallClock  # noqa: PLC0415 - only needed for events
    from batchrun.views.progress_events import Error, utc_time  # noqa: PLC0415
    from batchrun.views.progress_stream import EventStream  # noqa: PLC0415

    EventStream(sys.stderr).emit(
        Error(at=utc_time(WallClock().now()), exit_code=exit_code, message=message, traceback=details)
    )


def _shown(text: str, exit_code: int) -> str:
    """What may be shown of a message. Only in that of a bug may there be a token."""
    if exit_code == ExitCode.BUG:
        from batchrun.adapters.credentials.secret import without_tokens  # noqa: PLC0415 - rarely needed

        text = without_tokens(text)
    return without_user_info(text)
