"""Log lines on standard error and in a log file."""

import logging
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from batchrun.domain.user_info import without_user_info
from batchrun.errors import InputError
from batchrun.views.log_names import EVENT_HANDLER, FILE_LOG, PROGRESS_LEVEL
from batchrun.views.printable import printable
from batchrun.views.progress_events import Log
from batchrun.views.progress_stream import EmitEvent


class _LineFormatter(logging.Formatter):
    """The time in UTC and the message, without control characters."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        return f"{datetime.fromtimestamp(record.created, UTC):%Y-%m-%d %H:%M:%SZ}"

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record)).replace("\n", f"\n{_INDENT}")


_INDENT = "  "
"""What further lines of a message begin with."""

_LINE = _LineFormatter("%(asctime)s %(message)s")


class _ConsoleHandler(logging.Handler):
    """Writes lines to a console, above its progress bar if there is one."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(_LINE)

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; on a terminal it is folded at blanks. Errors such as a broken pipe are ignored."""
        console, text = self._console, Text(self.format(record))
        with suppress(OSError):
            if not console.is_terminal:
                console.print(text, soft_wrap=True, highlight=False)
                return
            for number, line in enumerate(text.wrap(console, max(20, console.width - len(_INDENT)))):
                line.rstrip()
                console.print(Text.assemble(_INDENT if number else "", line), soft_wrap=True, highlight=False)


class _EventHandler(logging.Handler):
    """Writes each line as a `Log` event."""

    def __init__(self, emit: EmitEvent) -> None:
        super().__init__()
        self.name = EVENT_HANDLER
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        """Emit one line."""
        at = datetime.fromtimestamp(record.created, UTC)
        self._emit(Log(at=at, level=record.levelname.lower(), message=self.format(record)))


class _FileHandler(logging.FileHandler):
    """Appends lines to a file. If it cannot be written, that is reported once, and the job goes on without it."""

    _failed = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self._failed:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802
        self._failed = True
        for name in ("batchrun", FILE_LOG):
            logging.getLogger(name).removeHandler(self)
        reason = sys.exc_info()[1]
        text = reason.strerror if isinstance(reason, OSError) else reason
        with suppress(OSError):  # closed by the garbage collector, Python 3.13 would print a traceback
            self.close()
        logging.getLogger("batchrun").error("--log-file %s: %s; the job goes on without it", self.baseFilename, text)


def set_up_logs(console: Console, *, quiet: bool, verbose: int, progress: bool = False) -> None:
    """Send batchrun's log to `console`: warnings and progress lines.

    `quiet`: errors only; `verbose`: a line for every row too; `progress`: progress lines even if `quiet`.
    """
    _install(_ConsoleHandler(console), quiet=quiet, verbose=verbose)
    logging.getLogger("batchrun.progress").setLevel(PROGRESS_LEVEL if progress else logging.NOTSET)


def set_up_event_log(emit: EmitEvent, *, quiet: bool, verbose: int) -> None:
    """Emit batchrun's log as events, and also the logs and warnings of all libraries."""
    handler = _EventHandler(emit)
    _install(handler, quiet=quiet, verbose=verbose)
    logging.captureWarnings(True)
    logging.getLogger().handlers[:] = [handler]


def _cut_user_info(record: logging.LogRecord) -> bool:
    """Cut user info from the addresses in the line."""
    message = record.getMessage()
    if (shown := without_user_info(message)) != message:
        record.msg, record.args = shown, None
    return True


def _install(handler: logging.Handler, *, quiet: bool, verbose: int) -> None:
    logging.addLevelName(PROGRESS_LEVEL, "PROGRESS")
    handler.addFilter(_cut_user_info)
    log = logging.getLogger("batchrun")
    log.handlers[:] = [handler]
    log.propagate = False
    level = logging.ERROR if quiet else logging.INFO if verbose else PROGRESS_LEVEL
    log.setLevel(level)


def log_to_file(path: Path) -> None:
    """Append batchrun's log to a file too, also with `quiet`. Call it after the log is set up.

    Raises `InputError` if the file cannot be written.
    """
    try:
        handler = _FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        folder = "" if path.parent.is_dir() else f"; there is no folder {path.parent}"
        raise InputError(f"--log-file {path}: cannot be written: {error.strerror}{folder}") from None
    handler.setFormatter(_LINE)
    handler.addFilter(_cut_user_info)
    log, only_file = logging.getLogger("batchrun"), logging.getLogger(FILE_LOG)
    only_file.handlers[:], only_file.propagate = [handler], False
    only_file.setLevel(PROGRESS_LEVEL)
    level, shows_progress = log.level, logging.getLogger("batchrun.progress").level != logging.NOTSET
    for other in log.handlers:
        other.addFilter(lambda record: record.levelno >= level or (shows_progress and record.name != "batchrun"))
    log.addHandler(handler)
    log.setLevel(min(level, PROGRESS_LEVEL))
